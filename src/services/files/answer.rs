//! The answer to a request for a file. Must not know connections.

use std::fmt::Write;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Range;
use std::sync::Arc;

use super::Files;
use super::ask::{Ask, AskMethod};
use super::body::FileBody;
use super::conditions::{Validators, Verdict};
use super::facts::{Facts, FileKind, http_date};
use super::listing::{Form, Listing, POLICY};
use super::ranges::{Part, part_of};
use super::root::{Place, Refusal, Wanted};
use super::rules::{Directories, Neighbours, Slash};
use super::types::{self, Squeeze};
use crate::services::web::coding::{self, Coding};
use crate::services::web::{Response, header};

/// The length up to which a file is sent from memory, and kept there.
const SMALL: u64 = 64 * 1024;

/// The file of a directory that is its page.
const INDEX: &str = "index.html";

/// The representation to send: the bytes of a file, its own or those of a neighbour.
struct Chosen {
    file: File,
    facts: Facts,
    content_type: &'static str,
    coding: Option<Coding>,
    squeeze: Squeeze,
}

impl Files {
    /// Answers a request.
    ///
    /// # Errors
    ///
    /// [`Refusal::Cold`] if `place` is the loop and the disk may have to be read.
    pub(super) fn answer(&self, ask: &Ask, place: Place) -> Result<Response, Refusal> {
        if ask.path.has_slash {
            return self.answer_directory(ask, place);
        }
        let (file, facts) = self.open(&ask.path.text, place)?;
        match (facts.kind, self.rules.slash) {
            (FileKind::File, _) => self.answer_file(ask, &ask.path.text, (file, facts), place),
            (FileKind::Directory, Slash::Added) => {
                Ok(Response::new(301).header(header::LOCATION, &*ask.with_slash))
            }
            (FileKind::Directory, Slash::AsItIs) => self.answer_directory(ask, place),
            (FileKind::Other, _) => Err(Refusal::Missing),
        }
    }

    fn open(&self, path: &str, place: Place) -> Result<(File, Facts), Refusal> {
        let file = self.root.file(path, Wanted::Content, self.rules.links, place)?;
        let facts = Facts::of(&file).map_err(|error| Refusal::Failed(error.kind()))?;
        Ok((file, facts))
    }

    fn answer_directory(&self, ask: &Ask, place: Place) -> Result<Response, Refusal> {
        let index = ask.path.entry(INDEX);
        match self.open(&index, place) {
            Ok((file, facts)) if facts.kind == FileKind::File => {
                return self.answer_file(ask, &index, (file, facts), place);
            }
            Ok(_) | Err(Refusal::Missing) => {}
            Err(other) => return Err(other),
        }
        match (self.rules.directories, place) {
            (Directories::Refused, _) => Err(Refusal::Missing),
            // Reading a directory may block, and cannot be tried.
            (Directories::Listed, Place::Loop) => Err(Refusal::Cold),
            (Directories::Listed, Place::Worker) => self.list(ask),
        }
    }

    fn list(&self, ask: &Ask) -> Result<Response, Refusal> {
        let (dir, facts) = self.open(&ask.path.text, Place::Worker)?;
        if facts.kind != FileKind::Directory {
            return Err(Refusal::Missing);
        }
        let look = |name: &str| {
            if !self.rules.hidden.shows(name) {
                return None;
            }
            let path = ask.path.entry(name);
            let entry = self.root.file(&path, Wanted::Facts, self.rules.links, Place::Worker);
            Facts::of(&entry.ok()?).ok().filter(|facts| facts.kind != FileKind::Other)
        };
        let listing = Listing::read(dir, look).map_err(|error| Refusal::Failed(error.kind()))?;
        let response = Response::new(200)
            .header(header::VARY, "accept")
            .header(header::CACHE_CONTROL, "no-cache")
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        Ok(match ask.form {
            Form::Html => response
                // The names may be those of uploads.
                .header(header::CONTENT_SECURITY_POLICY, POLICY)
                .html(listing.html(&ask.path.text)),
            Form::Json => response.bytes("application/json", listing.json()),
        })
    }

    fn answer_file(
        &self,
        ask: &Ask,
        path: &str,
        (file, facts): (File, Facts),
        place: Place,
    ) -> Result<Response, Refusal> {
        let kind = types::kind_of(path);
        let (content_type, squeeze) = (kind.content_type, kind.squeeze);
        let own = Chosen { file, facts, content_type, coding: None, squeeze };
        let chosen = self.choose(ask, path, own, place)?;
        let tag = chosen.facts.tag(chosen.coding.map_or("", Coding::name));
        let modified = chosen.facts.modified_second();
        let validators = Validators { tag: &tag, modified, now: ask.now };
        let response = |status: u16| self.with_fields(Response::new(status), ask, &chosen, &tag);
        match ask.conditions.verdict(validators) {
            Verdict::Send => {}
            Verdict::NotModified => return Ok(response(304)),
            Verdict::PreconditionFailed => {
                return Ok(Response::new(412).text("412 Precondition Failed\n"));
            }
        }
        let size = chosen.facts.size;
        let part = match &ask.range {
            // RFC 9110, section 14.2: only `GET` has ranges.
            Some(field)
                if ask.method == AskMethod::Get && ask.conditions.permit_range(validators) =>
            {
                part_of(field, size)
            }
            _ => Part::Whole,
        };
        match part {
            Part::Whole => self.whole(with_coding(response(200), &chosen), ask, chosen, place),
            Part::Ranges(ranges) => {
                let cost: u64 = ranges.iter().map(|range| range.end - range.start).sum();
                let response = response(206);
                match &*ranges {
                    [only] => Ok(self.single(with_coding(response, &chosen), chosen, only)),
                    several if cost + PART_COST * several.len() as u64 >= size => {
                        // The parts would cost more than all of it.
                        let response = self.with_fields(Response::new(200), ask, &chosen, &tag);
                        self.whole(with_coding(response, &chosen), ask, chosen, place)
                    }
                    several => Ok(self.several(with_coding(response, &chosen), chosen, several)),
                }
            }
            Part::Unsatisfiable => Ok(Response::new(416)
                .header(header::CONTENT_RANGE, format!("bytes */{size}"))
                .text("416 Range Not Satisfiable\n")),
        }
    }

    /// Returns the neighbour that the client prefers, or the file itself.
    fn choose(&self, ask: &Ask, path: &str, own: Chosen, place: Place) -> Result<Chosen, Refusal> {
        if ask.accept_encoding.is_empty() || !self.varies(own.squeeze) {
            return Ok(own);
        }
        for coding in coding::accepted(&ask.accept_encoding) {
            match self.open(&format!("{path}{}", coding.end()), place) {
                Ok((file, facts))
                    if facts.kind == FileKind::File && facts.modified >= own.facts.modified =>
                {
                    return Ok(Chosen { file, facts, coding: Some(coding), ..own });
                }
                Err(Refusal::Cold) => return Err(Refusal::Cold),
                // Missing, older than the file, or not to be had.
                _ => {}
            }
        }
        Ok(own)
    }

    fn varies(&self, squeeze: Squeeze) -> bool {
        squeeze == Squeeze::Worthwhile && self.rules.neighbours == Neighbours::Preferred
    }

    /// Adds the fields that 304 has as well (RFC 9110, section 15.4.5).
    fn with_fields(&self, response: Response, ask: &Ask, chosen: &Chosen, tag: &str) -> Response {
        let date = http_date(chosen.facts.last_modified(ask.now));
        let mut response = response.header(header::ETAG, tag).header(header::LAST_MODIFIED, date);
        if self.varies(chosen.squeeze) {
            response = response.header(header::VARY, "accept-encoding");
        }
        match &self.cache_control {
            Some(value) => response.header(header::CACHE_CONTROL, value),
            None => response,
        }
    }

    fn whole(
        &self,
        response: Response,
        ask: &Ask,
        chosen: Chosen,
        place: Place,
    ) -> Result<Response, Refusal> {
        let Chosen { file, facts, content_type, .. } = chosen;
        if ask.method == AskMethod::Head || facts.size > SMALL {
            let body = FileBody::new(file, facts, self.reader.clone()).bytes(0..facts.size);
            return Ok(response.source(content_type, body));
        }
        let content = self.small(&file, facts, ask.now, place)?;
        Ok(response.bytes(content_type, content.to_vec()))
    }

    /// Returns the content of a small file, from memory if it has not changed.
    fn small(
        &self,
        file: &File,
        facts: Facts,
        now: u64,
        place: Place,
    ) -> Result<Arc<[u8]>, Refusal> {
        if let Some(content) = self.cache.get(&facts) {
            return Ok(content);
        }
        let mut content = vec![0; facts.size as usize];
        self.reader.fill(file, &mut content, 0, place)?;
        let content = Arc::from(content);
        if facts.is_settled(now) {
            self.cache.keep(facts, Arc::clone(&content));
        }
        Ok(content)
    }

    fn single(&self, response: Response, chosen: Chosen, range: &Range<u64>) -> Response {
        let content_range = content_range(range, chosen.facts.size);
        let body =
            FileBody::new(chosen.file, chosen.facts, self.reader.clone()).bytes(range.clone());
        let response = response.header(header::CONTENT_RANGE, content_range);
        response.source(chosen.content_type, body)
    }

    /// Answers with `multipart/byteranges` (RFC 9110, section 14.6).
    fn several(&self, response: Response, chosen: Chosen, ranges: &[Range<u64>]) -> Response {
        let Chosen { file, facts, content_type, .. } = chosen;
        let boundary = boundary();
        let mut body = FileBody::new(file, facts, self.reader.clone());
        for range in ranges {
            let mut head = format!("\r\n--{boundary}\r\nContent-Type: {content_type}\r\n");
            // A string accepts everything.
            let _ = write!(head, "Content-Range: {}\r\n\r\n", content_range(range, facts.size));
            body = body.text(head).bytes(range.clone());
        }
        let body = body.text(format!("\r\n--{boundary}--\r\n"));
        response.source(&format!("multipart/byteranges; boundary={boundary}"), body)
    }
}

/// The most bytes that a part of `multipart/byteranges` has besides its range, for the decision
/// whether parts are cheaper than the file.
const PART_COST: u64 = 256;

/// Adds the fields of an answer with a body.
fn with_coding(response: Response, chosen: &Chosen) -> Response {
    let response = response
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    match chosen.coding {
        Some(coding) => response.header(header::CONTENT_ENCODING, coding.name()),
        None => response,
    }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1))
}

/// Returns a line that no file contains, since it is chosen at random for each answer.
fn boundary() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
