//! The list of callbacks, for code that handles all of them in the same way: handlers that forward
//! calls, and calls that are sent to workers. `on_data` is not in the list, because it is a special
//! case everywhere.

/// Passes the list of callbacks to the macro `$then`, after the tokens in brackets.
///
/// A row has the name of the call with its fields, and the method with its parameter and argument.
/// The types are resolved where the list is used.
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
            Crowded => on_crowded();
            Stop => on_stop();
            Close(why: Close) => on_close(why: &Close = &why);
        }
    };
}

/// Creates the methods of a handler that forward calls to another one: `[self => self.inner]`.
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
