//! Setters for settings structs that may get more fields.

/// Defines a setter for each field, which takes the value and returns the whole struct.
macro_rules! setters {
    ($name:ident { $($field:ident: $type:ty,)* }) => {
        /// Setters: each returns the limits with one of them changed.
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
