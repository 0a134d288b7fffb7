//! Setters for structures of settings that may get more fields.

/// Writes a setter for each field: it takes the value and gives back the whole.
macro_rules! setters {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        /// Setters: each returns the same limits with one of them changed.
        impl $name {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](#structfield.", stringify!($field), ").")]
                #[must_use]
                pub fn $field(self, $field: $type) -> $name {
                    $name { $field, ..self }
                }
            )*
        }
    };
}

pub(crate) use setters;
