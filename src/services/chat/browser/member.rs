//! A member with a browser, in several rooms: carries out its requests, and sends it the events of
//! its rooms as fast as it reads. Must not know how requests are received.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::encode;
#[cfg(feature = "backplane")]
use super::names::Names;
use super::request::Request;
use crate::handler::context::Context;
use crate::history::{History, Position, Watch};
use crate::services::chat::clean::is_blank;
use crate::services::chat::directory::{Directory, Farewell};
use crate::services::chat::event::{Event, Person, Reach};
use crate::services::chat::member::name_taken;
use crate::services::chat::name::Name;
#[cfg(feature = "backplane")]
use crate::services::chat::nodes::naming::Naming;
use crate::services::chat::room::Room;
use crate::services::ws::WsContext;

pub(super) struct BrowserMember {
    pub(super) directory: Directory,
    pub(super) person: Person,
    pub(super) seats: Vec<Seat>,
    text_max: usize,
    /// The connection has been woken for news, and has not read the histories since.
    is_woken: Arc<AtomicBool>,
    #[cfg(feature = "backplane")]
    pub(super) naming: Option<Naming>,
}

/// A place in a room.
pub(super) struct Seat {
    pub(super) room: Arc<Room>,
    pub(super) history: History,
    /// The position of the last event that was sent; `None` while the start of the history is not
    /// known.
    position: Option<Position>,
    /// The member is sent the names once it has all events.
    pub(super) wants_names: bool,
    #[cfg(feature = "backplane")]
    pub(super) names: Names,
    _watch: Watch,
}

/// The notification of a member for which there are news.
pub(super) struct News;

/// The most rooms of a member.
const ROOMS_MAX: usize = 8;
/// The most names that `names` lists; the rest are only counted.
pub(super) const NAMES_MAX: usize = 100;
/// The bytes of events that are written at once.
const PIECE: usize = 16 * 1024;
/// The longest name of a room that a notice repeats, in bytes.
const REPEATED_MAX: usize = 256;

impl BrowserMember {
    /// Adds a member, which is in no room yet, and tells it so.
    pub(super) fn enter(
        directory: Directory,
        text_max: usize,
        ws: &mut WsContext<'_, '_>,
    ) -> BrowserMember {
        let (person, lobby) = directory.enter_outside();
        ws.send_text(&encode::hello(&person.nick, person.by, &lobby, ROOMS_MAX, text_max));
        BrowserMember {
            directory,
            person,
            seats: Vec::new(),
            text_max,
            is_woken: Arc::default(),
            #[cfg(feature = "backplane")]
            naming: None,
        }
    }

    /// Removes the member.
    pub(super) fn leave(&self, cx: &mut Context<'_>) {
        #[cfg(feature = "backplane")]
        self.give_up_names(cx);
        let farewell = Farewell::of(&self.person, cx);
        let rooms = self.seats.iter().map(|seat| &*seat.room);
        self.directory.leave(&self.person, rooms, farewell, cx.now());
        if farewell == Farewell::Told {
            for seat in &self.seats {
                seat.room.announce(&self.person, Event::Left, cx);
            }
        }
    }

    fn seat(&mut self, room: &str) -> Option<&mut Seat> {
        let room = Name::new(room).ok()?;
        self.seats.iter_mut().find(|seat| seat.room.name == room)
    }

    pub(super) fn obey(&mut self, request: Request, ws: &mut WsContext<'_, '_>) {
        match request {
            Request::Join { room, after } => self.join(&room, after, ws),
            Request::Resume { rooms } => {
                for (room, after) in rooms {
                    self.join(&room, after, ws);
                }
            }
            Request::Part { room } => self.part(&room, ws),
            Request::Say { room, text, tag } => self.say(&room, &text, tag.as_deref(), ws),
            Request::Nick { nick } => self.rename(&nick, ws),
            Request::Who { room } => match self.seat(&room) {
                Some(seat) => seat.wants_names = true,
                None => outside(&room, None, ws),
            },
        }
    }

    fn join(&mut self, asked: &str, after: Option<Position>, ws: &mut WsContext<'_, '_>) {
        let room = match Name::new(asked) {
            Ok(room) => room,
            Err(why) => return refuse("bad-name", why, asked, None, ws),
        };
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.room.name == room) {
            seat.wants_names = true;
            return;
        }
        if self.seats.len() >= ROOMS_MAX {
            let why = format_args!("you are in {ROOMS_MAX} rooms: leave one first");
            return refuse("rooms-full", why, asked, None, ws);
        }
        let joined = self.directory.join_too(&self.person, &room, ws.cx().now());
        let (room, history) = match joined {
            Ok(joined) => joined,
            Err(other) => {
                let why = format_args!("{room} looks like {other}: choose another name");
                return refuse("room-taken", why, asked, None, ws);
            }
        };
        match self.person.reach {
            Reach::Here => {}
            // The events come by the history.
            #[cfg(feature = "backplane")]
            Reach::Nodes => ws.cx().attend(&room.topic),
        }
        room.announce(&self.person, Event::Joined, ws.cx());
        // Before the events are read, so that each later one wakes the connection.
        let watch = self.watch(&history, ws.cx());
        ws.send_text(&encode::entered(&room.name, asked));
        self.seats.reserve_exact(1);
        self.seats.push(Seat {
            room,
            history,
            position: after,
            wants_names: true,
            #[cfg(feature = "backplane")]
            names: Names::default(),
            _watch: watch,
        });
    }

    fn watch(&self, history: &History, cx: &mut Context<'_>) -> Watch {
        let (notifier, id, is_woken) = (cx.notifier(), cx.id(), Arc::clone(&self.is_woken));
        history.watch(move || {
            // So at most one notification for a member is on its way.
            if !is_woken.swap(true, Ordering::AcqRel) {
                notifier.notify(id, Box::new(News));
            }
        })
    }

    fn part(&mut self, room: &str, ws: &mut WsContext<'_, '_>) {
        let name = Name::new(room).ok();
        let at = self.seats.iter().position(|seat| Some(&seat.room.name) == name.as_ref());
        let Some(at) = at else { return outside(room, None, ws) };
        let seat = self.seats.remove(at);
        self.directory.part(&self.person, &seat.room, ws.cx().now());
        seat.room.announce(&self.person, Event::Left, ws.cx());
        // In a chat of one process it never joined.
        ws.cx().leave(&seat.room.topic);
        ws.send_text(&encode::parted(&seat.room.name));
    }

    fn say(&mut self, room: &str, text: &str, tag: Option<&str>, ws: &mut WsContext<'_, '_>) {
        let text_max = self.text_max;
        let Some(seat) = self.seat(room) else { return outside(room, tag, ws) };
        if text.len() > text_max {
            let why = format_args!("that text has more than {text_max} bytes and was not sent");
            return refuse("too-long", why, room, tag, ws);
        }
        if !is_blank(text.as_bytes()) {
            let room = Arc::clone(&seat.room);
            room.say(&self.person, text.as_bytes(), tag, ws.cx());
        }
    }

    fn rename(&mut self, nick: &str, ws: &mut WsContext<'_, '_>) {
        let name = match Name::new(nick) {
            Ok(name) => name,
            Err(why) => return ws.send_text(&encode::notice("bad-name", why, None, None)),
        };
        match self.person.reach {
            _ if name.is_spelled_like(&self.person.nick) => {
                ws.send_text(&encode::nick(&self.person.nick));
            }
            Reach::Here => self.rename_here(&name, ws),
            #[cfg(feature = "backplane")]
            Reach::Nodes => self.ask_name(name, ws),
        }
    }

    fn rename_here(&mut self, name: &Name, ws: &mut WsContext<'_, '_>) {
        let was = self.person.nick.clone();
        let rooms = self.seats.iter().map(|seat| &*seat.room);
        let renamed = self.directory.rename(&mut self.person, name, rooms, ws.cx().now());
        if let Err(other) = renamed {
            let why = name_taken(name, &other);
            return ws.send_text(&encode::notice("nick-taken", why, None, None));
        }
        for seat in &self.seats {
            seat.room.announce(&self.person, Event::Renamed { was: was.as_str() }, ws.cx());
        }
        ws.send_text(&encode::nick(&self.person.nick));
    }

    /// Sends the events that were not sent, as long as there is room for them. The rest follows
    /// when the output has drained: a slow member holds its positions and no events.
    pub(super) fn read_on(&mut self, ws: &mut WsContext<'_, '_>) {
        if ws.is_closing() || ws.cx().is_done() {
            return;
        }
        // Before the histories are read, so that a later event wakes the connection again.
        self.is_woken.store(false, Ordering::Release);
        for seat in &mut self.seats {
            while !ws.cx().is_done() && seat.send_some(&self.directory, self.person.reach, ws) {}
        }
    }
}

impl Seat {
    /// Sends some events. Returns false if there are none.
    fn send_some(
        &mut self,
        directory: &Directory,
        reach: Reach,
        ws: &mut WsContext<'_, '_>,
    ) -> bool {
        if !self.history.is_pending() && self.send_events(ws) {
            return true;
        }
        match reach {
            Reach::Here => self.wants_names && !self.send_names(directory, ws),
            #[cfg(feature = "backplane")]
            Reach::Nodes => {
                self.send_names_of_nodes(ws);
                false
            }
        }
    }

    fn send_events(&mut self, ws: &mut WsContext<'_, '_>) -> bool {
        let position = self.position.unwrap_or_else(|| self.history.start());
        let later = self.history.since(position, PIECE);
        if let Some(gap) = later.gap {
            ws.send_text(&encode::mark(&self.room.name, later.start, gap));
            self.wants_names = true;
        }
        self.position = Some(later.end());
        for (_, frame) in &later.messages {
            ws.cx().write(frame);
        }
        !later.messages.is_empty()
    }

    /// Sends the names at the last position. Returns false if there are later events meanwhile.
    fn send_names(&mut self, directory: &Directory, ws: &mut WsContext<'_, '_>) -> bool {
        let at = self.position();
        let found = directory.who_at(&self.room, &self.history, at, NAMES_MAX);
        let Some((count, names)) = found else { return false };
        self.wants_names = false;
        ws.send_text(&encode::names(&self.room.name, at, count, &names));
        true
    }

    /// Returns the position of the last event that was sent.
    pub(super) fn position(&self) -> Position {
        self.position.unwrap_or(Position::NOWHERE)
    }
}

/// Refuses a request that concerns a room.
fn refuse(
    code: &str,
    why: impl Display,
    room: &str,
    tag: Option<&str>,
    ws: &mut WsContext<'_, '_>,
) {
    let room = (room.len() <= REPEATED_MAX).then_some(room);
    ws.send_text(&encode::notice(code, why, room, tag));
}

fn outside(room: &str, tag: Option<&str>, ws: &mut WsContext<'_, '_>) {
    refuse("not-in-room", "you are not in this room: join it first", room, tag, ws);
}
