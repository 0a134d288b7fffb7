//! What happens because time has passed: timers ring, deadlines end connections. A part of [`Hub`];
//! runs at the beginning of every turn, with a bound for each.

use super::deadline::Watch;
use super::transport::Transport;
use super::{Hub, lookup, marks};
use crate::close::Close;
use crate::id::Id;

/// Timers served in one turn; the rest come in the next, which follows at once.
const WAKE_BURST: usize = 4096;
/// Connections ended for their deadlines in one turn: closing a socket takes some 20 microseconds.
const END_BURST: usize = 16;

impl<T: Transport> Hub<T> {
    /// Rings the timers and ends what has passed its deadline.
    pub(super) fn expire(&mut self) {
        for _ in 0..WAKE_BURST {
            let Some(id) = self.timers.pop(self.desk.record.now.millis()) else {
                break;
            };
            if let Some(connection) = lookup(&mut self.table, id) {
                connection.marks.clear(marks::TIMED);
                connection.marks.set(marks::WOKEN);
                self.queue(id);
            }
        }
        let now = self.desk.tick;
        let slice = self.sweep.slice(now, self.table.capacity());
        if slice.is_empty() {
            return;
        }
        let mut ended = 0;
        for key in slice {
            let Some(connection) = self.table.get(key) else {
                continue;
            };
            if ended == END_BURST {
                self.sweep.break_off(key);
                break;
            }
            if connection.deadline > now || connection.awaits_news() {
                self.sweep.note(connection.deadline);
                continue;
            }
            ended += 1;
            let id = Id::new(key as u32, connection.generation);
            let news = match connection.watch {
                // Stopping has waited for its message long enough.
                Watch::Grace => Some(marks::URGED),
                // Its handler may want to say so.
                Watch::Message => Some(marks::OVERDUE),
                _ => None,
            };
            if let Some(news) = news {
                // It may have to wait for its turn among the unfinished.
                self.sweep.note(connection.deadline);
                self.table[key].marks.set(news);
                self.queue(id);
                continue;
            }
            match connection.watch.timeout() {
                Some(timeout) => self.end_now(id, Close::Timeout(timeout)),
                // It ended long ago; its reason stays.
                None => self.end_now(id, Close::Done),
            }
        }
        self.apply_outward();
        self.sweep.visited(now);
    }
}
