//! Calls of the handler, and their effects. The second part of [`Exchange`].

use super::cold::Cold;
use super::duplex::Duplex;
use super::exchange::Exchange;
use super::flags::Flags;
use super::state::State;
use super::states::Output;
#[cfg(feature = "files")]
use super::write_queue::Origin;
use crate::close::Close;
use crate::exec::{Call, Departure, Job, Returned};
use crate::handler::effect::{Effect, Follow};
use crate::hub::shards;
use crate::hub::transport::Transport;
use crate::hub::turn::{Action, Config, Turn};
use crate::id::{Id, Shard};
use crate::panics;

impl<T: Transport> Exchange<T> {
    #[inline(always)]
    pub(super) fn open_if_new(&mut self, id: Id, turn: &mut Turn) {
        if self.state.is_new() {
            self.open(id, turn);
        }
    }

    fn open(&mut self, id: Id, turn: &mut Turn) {
        if self.state.is_open() && self.state.is_here() && self.state.note_open() {
            self.call(id, turn, Call::Open);
        }
    }

    /// Calls the handler for its notifications.
    pub(super) fn deliver_notifications(&mut self, id: Id, turn: &mut Turn) {
        while self.state.is_open() && self.state.is_here() {
            let next = self.io.cold_if_any().and_then(Cold::pop_notification);
            let Some((_, notification)) = next else { return };
            self.call(id, turn, Call::Notify(notification));
            // The `on_open` of a replacement comes first.
            self.open_if_new(id, turn);
        }
    }

    /// Makes a call and applies its effects, or sends the handler to a worker with it. Returns
    /// `None` if the handler panicked, went to a worker, or does not exist.
    #[inline(always)]
    pub(super) fn call(&mut self, id: Id, turn: &mut Turn, call: Call<'_>) -> Returned {
        if !self.state.is_open() {
            return None;
        }
        if self.state.output() != Output::Open {
            return self.call_mute(id, turn, call);
        }
        let returned = self.make(id, turn, call);
        self.heed(id, turn, returned.is_some());
        returned
    }

    /// Makes a call whose output is dropped, because it cannot be sent any more.
    #[cold]
    fn call_mute(&mut self, id: Id, turn: &mut Turn, call: Call<'_>) -> Returned {
        let len = turn.record.out.len();
        let returned = self.make(id, turn, call);
        turn.record.out.truncate(len);
        self.heed(id, turn, returned.is_some());
        returned
    }

    /// Applies the effects of a call. `returned` is false if the handler panicked.
    #[inline(always)]
    pub(super) fn heed(&mut self, id: Id, turn: &mut Turn, returned: bool) {
        if !turn.record.effects.is_empty() {
            self.apply(id, turn);
        }
        if !returned && self.state.is_here() {
            self.io.end(&mut self.state, Close::Panicked);
        }
        if turn.record.out.len() >= turn.record.room {
            hold(&mut self.io, &mut self.state, Follow::OnDrain);
        }
        if self.io.keeps_boundaries() {
            // One packet for each call: it is sent before the next call writes.
            turn.meter.progress.packed += turn.record.out.len();
            self.io.flush(&mut self.state, turn);
        }
    }

    /// Returns the number of bytes that the handler may write before it reaches the high watermark.
    #[inline(always)]
    fn room(&self, config: &Config) -> usize {
        match self.state.output() {
            Output::Open => config.limits.output_high.saturating_sub(self.io.own_output_len()),
            Output::Finishing | Output::Shut | Output::Failed => usize::MAX,
        }
    }

    #[inline(always)]
    fn make(&mut self, id: Id, turn: &mut Turn, call: Call<'_>) -> Returned {
        turn.record.room = self.room(&turn.config);
        self.callee.call(id, call, &mut self.state, turn)
    }

    /// Takes the handler back, and continues after the call. Its output is queued after the output
    /// that others have queued meanwhile.
    pub(super) fn come_back(&mut self, id: Id, mut job: Job, turn: &mut Turn) {
        self.state.clear(Flags::ON_WORKER);
        self.callee.come_back(job.handler);
        turn.record.effects.append(&mut job.record.effects);
        turn.record.messages += std::mem::take(&mut job.record.messages);
        turn.meter.stopwatch.note_job(job.took, &turn.meter.counters);
        if job.returned.is_none() {
            turn.meter.counters.panics.add(1);
        }
        let stopped_at_full = job.record.out.len() >= job.record.room;
        if self.state.accepts_output() {
            turn.record.out.extend_from_slice(&job.record.out);
            // The handler may have stopped at the high watermark, though some output has been sent
            // meanwhile: it then waits for `on_drain`, and for the input that it left.
            if stopped_at_full {
                hold(&mut self.io, &mut self.state, Follow::OnDrain);
            }
        } else if stopped_at_full {
            // The output has failed meanwhile: there is no drain to wait for.
            self.state.set(Flags::RETRY_INPUT);
        }
        turn.record.room = self.room(&turn.config);
        if !self.state.was_close_noted() {
            self.heed(id, turn, job.returned.is_some());
        }
        if !job.input.is_empty() {
            self.keep_unused(id, &job.input, job.input.len(), job.returned, turn);
        } else if let Some(Err(why)) = job.returned {
            self.end_rejected(why, turn);
        }
        turn.put_away(job.record);
    }

    /// Takes a handler back without its call: the server ends.
    pub(super) fn take_back(&mut self, job: Job) {
        self.state.take_back_call(job.is_to_open(), job.is_to_close());
        self.callee.come_back(job.handler);
    }

    /// Applies the effects on the handler's own connection, and hands on the rest.
    fn apply(&mut self, id: Id, turn: &mut Turn) {
        let Turn { record, pending, config, .. } = turn;
        for effect in record.effects.drain(..) {
            match effect {
                Effect::Close(why) => self.io.end(&mut self.state, why),
                Effect::Reset(why) => self.io.reset(&mut self.state, why),
                Effect::Pause(until) => self.state.pause(until),
                Effect::Finish => self.state.finish_output(),
                Effect::Resume => self.state.resume(),
                #[cfg(feature = "files")]
                Effect::SendFile(file, part, follow) => {
                    if self.state.accepts_output() {
                        turn.meter.progress.packed += (part.end - part.start) as usize;
                        self.io.queue(&record.out, Origin::Handler);
                        self.io.cold_mut().output.push_file(file, part);
                    }
                    record.out.clear();
                    // The handler goes on in `on_drain`, and there learns of a failure.
                    hold(&mut self.io, &mut self.state, follow);
                }
                // Ignored after a close in the same call.
                Effect::Upgrade(to) if !self.state.is_open() => panics::drop_quietly(to),
                Effect::Upgrade(to) => {
                    self.callee.replace(to);
                    self.state.upgrade(record.stopping.is_on());
                    if let Some(cold) = self.io.cold_if_any() {
                        cold.forget_all_rung();
                    }
                    pending.push_effect(id, Effect::CancelTimers);
                }
                other => {
                    if let Effect::SetTimer { key, .. } | Effect::CancelTimer(key) = other
                        && let Some(cold) = self.io.cold_if_any()
                    {
                        cold.forget_rung(key);
                    }
                    if config.shard != Shard::ONLY && shards::concerns_others(config.shard, &other)
                    {
                        self.io.cold_mut().gate();
                        pending.gate(id);
                    }
                    pending.push_effect(id, other);
                }
            }
        }
    }

    /// Keeps the bytes that the handler left, the last `fresh` of which are new.
    #[inline(always)]
    pub(super) fn keep_unused(
        &mut self,
        id: Id,
        bytes: &[u8],
        fresh: usize,
        returned: Returned,
        turn: &mut Turn,
    ) {
        let len = bytes.len();
        let used = match returned {
            Some(Ok(used)) if used > len => self.callee.note_excess(id, used, len),
            Some(Ok(used)) => used,
            Some(Err(why)) => {
                self.io.end(&mut self.state, why);
                self.state.discard_input();
                return;
            }
            None => return self.state.discard_input(),
        };
        turn.meter.progress.used |= used > 0;
        let left = len - used;
        if !self.state.is_open() {
            if left > 0 {
                self.state.discard_input();
            }
            return;
        }
        // Only a handler that had to stop within a packet is offered the rest of it.
        const STOPS: Flags = Flags::ABOVE_HIGH.with(Flags::RETRY_INPUT);
        let has_stopped = self.state.has_any(STOPS) || self.state.is_paused();
        if left == 0 || self.io.keeps_boundaries() && !has_stopped {
            return self.io.forget_unused();
        }
        self.io.keep_unused(bytes, used, fresh);
        if self.state.has(Flags::ABOVE_HIGH) {
            self.state.set(Flags::RETRY_INPUT);
        } else if left > turn.config.limits.pending_input
            && !self.state.is_paused()
            && !self.state.has(Flags::RETRY_INPUT)
        {
            self.reject(id, Close::InputLimit, turn);
        }
    }

    /// Calls `on_close` and drops the handler; output that it writes is dropped. Returns false if
    /// the handler is with a worker.
    pub(super) fn finish_handler(&mut self, id: Id, turn: &mut Turn) -> bool {
        // First: the last call of a handler on a worker would wait for all of this work.
        if let Some(work) = self.io.cold_if_any().and_then(Cold::take_all_work) {
            panics::drop_quietly(work);
            turn.pending.note_left(id, Departure::Gone);
        }
        if !self.state.is_here() {
            return false;
        }
        turn.record.out.clear();
        if self.state.note_close() {
            let why = self.io.why();
            self.make(id, turn, Call::Close(why));
            if !self.state.is_here() {
                return false;
            }
        }
        self.callee.dismiss();
        turn.record.out.clear();
        // Of the effects on this connection only a reset counts; effects on others do.
        for effect in turn.record.effects.drain(..) {
            match effect {
                Effect::Reset(_) => self.io.cut_off(&mut self.state),
                Effect::Send(..)
                | Effect::Publish(..)
                | Effect::Forward(..)
                | Effect::Notify(..)
                | Effect::Connect(..) => turn.pending.push_effect(id, effect),
                #[cfg(feature = "backplane")]
                Effect::Link(..) | Effect::Presence(..) => turn.pending.push_effect(id, effect),
                void => panics::drop_quietly(void),
            }
        }
        if let Some(cold) = self.io.cold_if_any() {
            while let Some((from, notification)) = cold.pop_notification() {
                turn.pending.push(from, Action::Return { to: id, notification });
            }
        }
        true
    }
}

/// Notes that the output of the handler is above the high watermark.
// Not inlined: an ordinary answer does not pay for it.
#[inline(never)]
fn hold<T: Transport>(io: &mut Duplex<T>, state: &mut State, follow: Follow) {
    // An earlier call may wait for `on_drain`.
    let is_spared = follow == Follow::Nothing && !state.has(Flags::ABOVE_HIGH);
    state.set(Flags::ABOVE_HIGH);
    if let Some(cold) = io.cold_if_any() {
        cold.follow = if is_spared { Follow::Nothing } else { Follow::OnDrain };
    }
}
