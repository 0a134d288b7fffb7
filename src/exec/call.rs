//! One call of a handler, as a value that has a name, can be made, and can be sent to another
//! thread. Knows no connection and no socket.

use std::io;

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::callbacks::callbacks;
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::panics;

/// The result of a handler: the number of input bytes it used, or the reason why it gives up.
/// `None` if it panicked or is still on a worker.
pub(crate) type Returned = Option<Result<usize, Close>>;

macro_rules! calls {
    (
        []
        $($call:ident $(($carried:ident: $carries:ty))?
            => $method:ident($($name:ident: $type:ty = $given:expr)?);)*
    ) => {
        /// The event that a handler is called with. Everything except the input is owned.
        pub(crate) enum Call<'a> {
            Data(&'a mut [u8]),
            $($call $(($carries))?,)*
        }

        impl Call<'_> {
            /// Returns the name of the method that is called.
            pub(crate) fn name(&self) -> &'static str {
                match self {
                    Call::Data(_) => "on_data",
                    $(Call::$call { .. } => stringify!($method),)*
                }
            }

            fn dispatch(
                self,
                handler: &mut dyn Handler,
                cx: &mut Context<'_>,
            ) -> Result<usize, Close> {
                let result = self.result();
                match self {
                    Call::Data(input) => return handler.on_data(input, cx),
                    $(Call::$call $(($carried))? => handler.$method($($given,)? cx),)*
                }
                result
            }

            /// Splits the call into one without its input, and a copy of that input.
            pub(super) fn pack(self) -> (Call<'static>, Vec<u8>) {
                match self {
                    Call::Data(input) => (Call::Data(&mut []), input.to_vec()),
                    $(Call::$call $(($carried))? => (Call::$call $(($carried))?, Vec::new()),)*
                }
            }
        }
    };
}

callbacks!(calls![]);

impl Call<'_> {
    /// Calls the handler. A panic is returned as one line of text.
    // Nearly all calls are about input: catching a panic of just that one is small enough to
    // inline.
    #[inline(always)]
    pub(crate) fn make(
        self,
        handler: &mut dyn Handler,
        cx: &mut Context<'_>,
    ) -> Result<Result<usize, Close>, String> {
        match self {
            Call::Data(input) => panics::catch(|| handler.on_data(input, cx)),
            other => panics::catch(|| other.dispatch(handler, cx)),
        }
    }

    /// Returns the result of a method that returns nothing: rejected input ends the connection for
    /// the reason in the call.
    fn result(&self) -> Result<usize, Close> {
        match self {
            Call::Reject(why) => Err(why.clone()),
            _ => Ok(0),
        }
    }
}
