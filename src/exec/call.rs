//! One call of a handler, as a value: it has a name, can be made, and can travel. Knows no
//! connection and no socket.

use std::io;

use crate::close::Close;
use crate::handler::Handler;
use crate::handler::callbacks::callbacks;
use crate::handler::context::Context;
use crate::handler::notification::Notification;
use crate::panics;

/// What a handler returned: how much input it used, or why it gives up. `None` if it panicked, or
/// is still with a worker.
pub(crate) type Returned = Option<Result<usize, Close>>;

macro_rules! calls {
    (
        []
        $($call:ident $(($carried:ident: $carries:ty))?
            => $method:ident($($name:ident: $type:ty = $given:expr)?);)*
    ) => {
        /// What a handler is to be told. All but input is the call's own.
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

            /// Returns the same call without its input, and a copy of that.
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
    /// Calls the handler. A panic is told as one line.
    // Input is what nearly all calls are about: catching that one is small enough to be inlined.
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

    /// Returns the result of a call of a method that returns none: input that is rejected is given
    /// up for just that reason.
    fn result(&self) -> Result<usize, Close> {
        match self {
            Call::Reject(why) => Err(why.clone()),
            _ => Ok(0),
        }
    }
}
