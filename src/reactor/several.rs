//! Several reactors in one process: the first runs in the caller's thread, the others in threads of
//! their own. Knows how they start and end.

use std::{io, iter, thread};

use super::datagrams::DatagramEndpoints;
use super::event_loop::Reactor;
use super::group::{Member, members};
use super::handle::StopRequest;
use super::poller::Poller;
use super::setup::Setup;
use super::socket::Socket;
use super::system::System;
#[cfg(feature = "backplane")]
use crate::backplane::sharing::Sharing;
use crate::exec::no_thread;
use crate::panics;

/// Runs a server with `count` reactors. Returns when all have ended.
///
/// # Errors
///
/// The first error of a poller or of the start of a thread; all reactors are then aborted.
pub(crate) fn run(
    poller: Poller,
    count: usize,
    mut setup: Setup<'static, Poller>,
) -> io::Result<()> {
    let pollers = (1..count).map(|_| poller.sibling()).collect::<io::Result<Vec<Poller>>>()?;
    let handle = poller.handle();
    let handles = iter::once(handle.clone()).chain(pollers.iter().map(Poller::handle)).collect();
    let mut members: std::vec::IntoIter<Member<Socket>> =
        members(handles, !setup.listeners.is_empty()).into_iter();
    let shares = share(&mut setup, count);
    let first = Reactor::new(poller, setup, members.next())?;
    let reactors = pollers.into_iter().zip(shares).zip(members);
    let reactors =
        reactors.map(|((poller, setup), member)| Reactor::new(poller, setup, Some(member)));
    let reactors = reactors.collect::<io::Result<Vec<Reactor<'_, Poller>>>>()?;
    let mut result = Ok(());
    let mut threads = Vec::new();
    for (index, reactor) in (1..).zip(reactors) {
        let of_first = handle.clone();
        let thread = thread::Builder::new().name(format!("reactor-{index}"));
        let started = thread.spawn(move || {
            let result =
                panics::catch(|| reactor.run()).unwrap_or_else(|said| Err(panicked(&said)));
            if result.is_err() {
                of_first.ask(StopRequest::Abort);
            }
            result
        });
        match started {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                handle.ask(StopRequest::Abort);
                let error = no_thread("reactor", index + 1, count, &error);
                result = result.and(Err(error));
            }
        }
    }
    result = result.and(first.run());
    for thread in threads {
        result = result.and(thread.join().unwrap_or_else(|_| Err(panicked("in a destructor"))));
    }
    result
}

/// Splits the setup for the other reactors: they get no listeners and no datagram sockets, but a
/// share of the connections to establish.
pub(crate) fn share<'s, S: System>(setup: &mut Setup<'s, S>, count: usize) -> Vec<Setup<'s, S>> {
    let bare = |_| Setup {
        limits: setup.limits.clone(),
        mode: setup.mode,
        services: Vec::new(),
        listeners: Vec::new(),
        kernel_queue: 0,
        dials: Vec::new(),
        tasks: Vec::new(),
        datagrams: DatagramEndpoints::new(&setup.limits, Vec::new(), Vec::new()),
        budgets: setup.budgets,
        #[cfg(feature = "backplane")]
        sharing: setup.sharing.as_ref().map(Sharing::branch),
        takes_ordinary_path: setup.takes_ordinary_path,
    };
    let mut shares: Vec<Setup<'_, S>> = (1..count).map(bare).collect();
    for (index, dial) in std::mem::take(&mut setup.dials).into_iter().enumerate() {
        let share = (index % count).checked_sub(1).and_then(|other| shares.get_mut(other));
        share.unwrap_or(&mut *setup).dials.push(dial);
    }
    shares
}

fn panicked(said: &str) -> io::Error {
    io::Error::other(format!("a reactor panicked: {said}"))
}
