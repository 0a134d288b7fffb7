//! The handle that other threads hold of a running server.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use mio::Waker;

/// A handle of a server, for other threads: cheap to clone, and harmless once the server has
/// gone.
///
/// ```
/// use socketserver::{Close, Context, Handler, Peer, Server};
///
/// # struct Echo;
/// # impl Handler for Echo {
/// #     fn on_data(&mut self, input: &mut [u8], cx: &mut Context<'_>) -> Result<usize, Close> {
/// #         cx.write(input);
/// #         Ok(input.len())
/// #     }
/// # }
/// let server = Server::bind("127.0.0.1:0")?;
/// let remote = server.remote();
/// let thread = std::thread::spawn(|| server.serve(|_: &Peer| Echo));
/// remote.stop();
/// thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

struct Shared {
    wish: AtomicU8,
    waker: Waker,
}

/// What a server was asked to do from outside; it only goes down this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    Serve,
    Drain,
    Abort,
}

impl Remote {
    pub(crate) fn new(waker: Waker) -> Remote {
        Remote { shared: Arc::new(Shared { wish: AtomicU8::new(Wish::Serve as u8), waker }) }
    }

    /// Stops the server in good order: it closes its listeners, answers what it has received,
    /// and ends every connection as soon as that one's handler lets go; after
    /// [`Limits::drain`](crate::Limits::drain) it ends the rest. Returns at once.
    pub fn stop(&self) {
        self.ask(Wish::Drain);
    }

    /// Stops the server at once, whatever it is in the middle of.
    pub fn abort(&self) {
        self.ask(Wish::Abort);
    }

    /// Stops the server, or at once if it is stopping already.
    #[cfg(feature = "signals")]
    pub(super) fn stop_harder(&self) {
        match self.wish() {
            Wish::Serve => self.stop(),
            Wish::Drain | Wish::Abort => self.abort(),
        }
    }

    fn ask(&self, wish: Wish) {
        self.shared.wish.fetch_max(wish as u8, Ordering::Release);
        if let Err(error) = self.shared.waker.wake() {
            // The poller is gone, and with it the server: then there is nothing to stop.
            log::debug!("a server could not be woken: {error}");
        }
    }

    pub(crate) fn wish(&self) -> Wish {
        match self.shared.wish.load(Ordering::Acquire) {
            0 => Wish::Serve,
            1 => Wish::Drain,
            _ => Wish::Abort,
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}
