//! The names of this node, for an engine that has lost them. Must not know engines.

use std::collections::VecDeque;

use crate::handler::presence::{self, Request};
use crate::services::chat::directory::Directory;

/// Tells the names in pieces. They are collected at once, because those that go in between would
/// shift the others.
pub(in crate::services::chat) struct Roster {
    directory: Directory,
    left: VecDeque<Request>,
}

/// The names that are told at once.
const PIECE: usize = 500;

impl Roster {
    pub(in crate::services::chat) fn new(directory: Directory) -> Roster {
        Roster { directory, left: VecDeque::new() }
    }
}

impl presence::Roster for Roster {
    fn names(&mut self, skip: usize) -> Vec<Request> {
        if skip == 0 {
            self.left = self.directory.roster();
        }
        let mut piece = Vec::new();
        while piece.len() < PIECE
            && let Some(request) = self.left.pop_front()
        {
            if self.directory.is_current(&request) {
                piece.push(request);
            }
        }
        piece
    }

    fn lost(&mut self, claim: &Request) {
        if let Request::Claim { name, .. } = claim {
            self.directory.lose(name);
        }
    }
}
