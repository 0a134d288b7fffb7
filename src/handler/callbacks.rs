//! The list of callbacks, for code that treats all of them alike: a handler that passes them on,
//! and calls that have a name and travel. `on_data` is not in it: it is called for nearly all
//! events and is a case of its own everywhere.

/// Gives the list of callbacks to the macro `$then`, after what stands in brackets.
///
/// A row is the name of the call with what it carries, and the method with its parameter and what
/// it is given of that. The types are found where the list is used.
macro_rules! callbacks {
    ($then:ident![$($with:tt)*]) => {
        $then! {
            [$($with)*]
            Open => on_open();
            Eof => on_eof();
            Drain => on_drain();
            Timer(key: u64) => on_timer(key: u64 = key);
            Notify(notification: Notification) => on_notify(notification: Notification = notification);
            Unreachable(error: io::Error) => on_unreachable(error: &io::Error = &error);
            Reject(why: Close) => on_reject(why: &Close = &why);
            Stop => on_stop();
            Close(why: Close) => on_close(why: &Close = &why);
        }
    };
}

/// Makes the methods of a handler that pass on the call to another one: `[self => self.inner]`.
macro_rules! forward {
    (
        [$self:ident => $to:expr]
        $($call:ident $(($carried:ident: $carries:ty))?
            => $method:ident($($name:ident: $type:ty = $given:expr)?);)*
    ) => {
        $(
            fn $method(&mut $self, $($name: $type,)? cx: &mut Context<'_>) {
                $to.$method($($name,)? cx);
            }
        )*
    };
}

pub(crate) use {callbacks, forward};
