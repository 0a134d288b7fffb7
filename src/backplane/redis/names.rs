//! Requests about names as commands of Redis. Knows no connection.

use super::Redis;
use super::answers::Waiting;
use super::name_answers::{MEMBERS_MAX, Partial, Script};
use crate::backplane::engine::Ask;
use crate::backplane::presence::{LEASE_MS, NAMES_MS};
use crate::handler::presence::Request;
use crate::protocol::resp::{append_bytes, append_command, append_header};

/// Returns the key that exists as long as a lease holds.
fn lease_key(lease: &[u8]) -> Vec<u8> {
    [b"bp:alive:", lease].concat()
}

impl Redis {
    fn lease_name(&self, lease: u64) -> Vec<u8> {
        format!("{:016x}.{lease}", self.settings.node).into_bytes()
    }

    /// Each probe renews the lease. One that has ended is an error, which ends the connection.
    pub(super) fn renew_lease(&mut self, out: &mut Vec<u8>) {
        if let Some(lease) = self.answers.lease() {
            let (key, time) = (lease_key(&self.lease_name(lease)), LEASE_MS.to_string());
            append_command(out, &[b"PEXPIRE", &key, time.as_bytes()]);
            self.answers.expect(Waiting::Renewal);
        }
    }

    pub(super) fn ask_names(&mut self, ask: Ask<'_>, out: &mut Vec<u8>) {
        match ask {
            Ask::SignIn { before, lease, known } => {
                let keys = [before, lease].map(|lease| lease_key(&self.lease_name(lease)));
                let numbers = [known, LEASE_MS].map(|number| number.to_string().into_bytes());
                self.run(Script::SignIn, &keys, &numbers, out);
                self.answers.expect(Waiting::SignIn { before, lease });
            }
            Ask::SignOut => {
                if let Some(lease) = self.answers.lease() {
                    append_command(out, &[b"DEL", &lease_key(&self.lease_name(lease))]);
                    self.answers.expect(Waiting::Anything);
                    self.answers.forget_lease();
                }
            }
            Ask::Presence(number, request) => self.request(number, request, out),
            Ask::Undo { number, claim, keys } => self.release(number, claim, keys, out),
            _ => {}
        }
    }

    fn request(&mut self, number: u64, request: &Request, out: &mut Vec<u8>) {
        let time = NAMES_MS.to_string().into_bytes();
        match request {
            Request::Claim { keys, name } => {
                let arguments = [name.as_bytes().to_vec(), time];
                self.write(Script::Claim, number, &name_keys(keys), &arguments, out);
            }
            Request::Release { keys } => self.release(number, 0, keys, out),
            Request::Enter { room, name } => {
                let arguments = [name.as_bytes().to_vec(), b"enter".to_vec(), time];
                self.write(Script::Room, number, &[room_key(room)], &arguments, out);
            }
            Request::Leave { room, name } => {
                let arguments = [name.as_bytes().to_vec(), b"leave".to_vec(), time];
                self.write(Script::Room, number, &[room_key(room)], &arguments, out);
            }
            Request::Members { room, max } => {
                let (sha, max) = (self.answers.name_script(Script::Members), *max);
                let max = max.min(MEMBERS_MAX).to_string();
                append_command(out, &[b"EVALSHA", sha, b"1", &room_key(room), max.as_bytes()]);
                let answer = Partial::Members(None, Vec::new());
                self.answers.expect(Waiting::Names { number, answer });
            }
        }
    }

    fn release(&mut self, number: u64, claim: u64, keys: &[Box<str>], out: &mut Vec<u8>) {
        let claim = claim.to_string().into_bytes();
        self.write(Script::Release, number, &name_keys(keys), &[claim], out);
    }

    /// Appends a call of a script that writes names of the lease.
    fn write(
        &mut self,
        script: Script,
        number: u64,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
        out: &mut Vec<u8>,
    ) {
        let lease = self.lease_name(self.answers.lease().unwrap_or(0));
        let mut all = vec![lease_key(&lease)];
        all.extend_from_slice(keys);
        let mut numbers = vec![number.to_string().into_bytes(), lease];
        numbers.extend_from_slice(arguments);
        self.run(script, &all, &numbers, out);
        self.answers.expect(Waiting::Names { number, answer: Partial::Claim(None) });
    }

    /// Appends a call with the key and the generation of the node before the others.
    fn run(&self, script: Script, keys: &[Vec<u8>], arguments: &[Vec<u8>], out: &mut Vec<u8>) {
        append_header(out, b'*', 5 + keys.len() + arguments.len());
        append_bytes(out, b"EVALSHA");
        append_bytes(out, self.answers.name_script(script));
        append_bytes(out, (1 + keys.len()).to_string().as_bytes());
        append_bytes(out, &self.node);
        keys.iter().for_each(|key| append_bytes(out, key));
        append_bytes(out, self.settings.generation.to_string().as_bytes());
        arguments.iter().for_each(|argument| append_bytes(out, argument));
    }
}

fn name_keys(keys: &[Box<str>]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| [b"bp:name:", key.as_bytes()].concat()).collect()
}

fn room_key(room: &str) -> Vec<u8> {
    [b"bp:who:", room.as_bytes()].concat()
}
