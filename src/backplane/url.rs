//! The URL of an engine. Knows no connection, and repeats no part of a URL in an error: it may be
//! of a password.

use super::config::EngineAddress;
#[cfg(feature = "nats")]
use super::nats::Login as NatsLogin;
use super::redis::Login;
use crate::net::address::Address;
use crate::net::destination::Destination;

const REDIS_PORT: u16 = 6379;
#[cfg(feature = "nats")]
const NATS_PORT: u16 = 4222;

/// The fault of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Scheme,
    Tls,
    #[cfg(not(feature = "nats"))]
    NatsIsOff,
    Login,
    Encoding,
    Host,
    Path,
    Database,
    Parameter,
    NotUnicode,
}

impl Problem {
    /// Returns the advice.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Problem::Scheme => {
                "write redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], \
                 unix:///PATH[?db=DB&user=USER&password=PASSWORD] or nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT]"
            }
            Problem::Tls => {
                "connections with TLS are not supported: put a TLS proxy such as stunnel before the \
                 engine, and write the proxy's address with redis:// or nats://"
            }
            #[cfg(not(feature = "nats"))]
            Problem::NatsIsOff => "nats:// needs the feature `nats` of socketserver",
            Problem::Login => {
                "before the @ stand USER:PASSWORD or :PASSWORD, for NATS also a token"
            }
            Problem::Encoding => {
                "% in a user, a password or a path begins two hexadecimal digits, and the result is \
                 UTF-8 without control characters: write %25 for a single %"
            }
            Problem::Host => {
                "the host must be a name or an address, as localhost, 127.0.0.1 or [::1], and the \
                 port a number from 1 to 65535; in a user and a password write %40 for @, %2F for /, \
                 %3A for :, %3F for ? and %23 for #"
            }
            Problem::Path => {
                "the path of a Unix socket is absolute: write unix:///run/redis.sock, and in it %40 \
                 for @, %26 for & and %3D for ="
            }
            Problem::Database => "the database is a number: redis://HOST/2, or unix:///PATH?db=2",
            Problem::Parameter => "the parameters are db, user and password, once each",
            Problem::NotUnicode => "the value is not Unicode",
        }
    }
}

/// Parses the URL of an engine.
pub(super) fn parse(url: &str) -> Result<EngineAddress, Problem> {
    let (scheme, rest) = url.split_once("://").ok_or(Problem::Scheme)?;
    match &*scheme.to_ascii_lowercase() {
        "redis" | "valkey" => redis(rest),
        "unix" | "redis+unix" | "valkey+unix" => unix(rest),
        "rediss" | "valkeys" | "tls" => Err(Problem::Tls),
        "nats" => nats(rest),
        _ => Err(Problem::Scheme),
    }
}

fn redis(rest: &str) -> Result<EngineAddress, Problem> {
    let (place, query) = split(rest, '?');
    let (authority, database) = split(place, '/');
    // A password with a slash.
    if database.is_some_and(|database| database.contains('@')) {
        return Err(Problem::Host);
    }
    let (login, host) = authority.rsplit_once('@').map_or((None, authority), some_first);
    let mut parameters = Parameters::parse(query)?;
    if let Some(database) = database.filter(|database| !database.is_empty()) {
        parameters.set_database(database)?;
    }
    let login = match login {
        Some(login) => Some(parse_login(login)?),
        None => parameters.take_login()?,
    };
    let to = host_and_port(host, REDIS_PORT)?;
    parameters.finish(to, login)
}

/// `//PATH?...`, or `//USER:PASSWORD@/PATH?...`.
fn unix(rest: &str) -> Result<EngineAddress, Problem> {
    let (place, query) = split(rest, '?');
    let slash = place.find('/').ok_or(Problem::Path)?;
    let (authority, path) = place.split_at(slash);
    let mut parameters = Parameters::parse(query)?;
    let login = match authority.strip_suffix('@') {
        Some(login) => Some(parse_login(login)?),
        None if authority.is_empty() => parameters.take_login()?,
        None => return Err(Problem::Path),
    };
    // The rest of a mistyped URL: a path is shown, a password is not.
    if path.contains(['@', '&', '=']) {
        return Err(Problem::Path);
    }
    let path = decode(path)?;
    let to = format!("unix:{path}").parse().map_err(|_| Problem::Path)?;
    parameters.finish(to, login)
}

#[cfg(not(feature = "nats"))]
fn nats(_: &str) -> Result<EngineAddress, Problem> {
    Err(Problem::NatsIsOff)
}

#[cfg(feature = "nats")]
fn nats(rest: &str) -> Result<EngineAddress, Problem> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let (login, host) = authority.rsplit_once('@').map_or((None, authority), some_first);
    let login = match login {
        None => None,
        Some("") => return Err(Problem::Login),
        Some(token) if !token.contains(':') => Some(NatsLogin::Token(decode(token)?)),
        Some(login) => {
            let (user, password) = login.split_once(':').ok_or(Problem::Login)?;
            Some(NatsLogin::User { user: decode(user)?, password: decode(password)? })
        }
    };
    Ok(EngineAddress::Nats { to: host_and_port(host, NATS_PORT)?, login })
}

/// The part of a URL behind the `?`.
#[derive(Default)]
struct Parameters {
    database: Option<u32>,
    user: Option<Box<str>>,
    password: Option<Box<str>>,
}

impl Parameters {
    fn parse(query: Option<&str>) -> Result<Parameters, Problem> {
        let mut found = Parameters::default();
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            let (name, value) = pair.split_once('=').ok_or(Problem::Parameter)?;
            let place = match name {
                "db" => {
                    found.set_database(value)?;
                    continue;
                }
                "user" | "username" => &mut found.user,
                "pass" | "password" => &mut found.password,
                _ => return Err(Problem::Parameter),
            };
            if place.replace(decode(value)?).is_some() {
                return Err(Problem::Parameter);
            }
        }
        Ok(found)
    }

    fn set_database(&mut self, text: &str) -> Result<(), Problem> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number).ok_or(Problem::Database)?;
        match self.database.replace(number) {
            None => Ok(()),
            Some(_) => Err(Problem::Parameter),
        }
    }

    fn take_login(&mut self) -> Result<Option<Login>, Problem> {
        match (self.user.take(), self.password.take()) {
            (None, None) => Ok(None),
            (_, None) => Err(Problem::Login),
            (user, Some(password)) => Ok(Some(login(user.unwrap_or_default(), password))),
        }
    }

    /// A user or a password that is left was given twice.
    fn finish(self, to: Destination, login: Option<Login>) -> Result<EngineAddress, Problem> {
        match self {
            Parameters { database, user: None, password: None } => {
                Ok(EngineAddress::Redis { to, login, database: database.unwrap_or(0) })
            }
            _ => Err(Problem::Parameter),
        }
    }
}

/// `USER:PASSWORD` or `:PASSWORD`.
fn parse_login(text: &str) -> Result<Login, Problem> {
    let (user, password) = text.split_once(':').ok_or(Problem::Login)?;
    Ok(login(decode(user)?, decode(password)?))
}

fn login(user: Box<str>, password: Box<str>) -> Login {
    match user.is_empty() {
        true => Login { user: "default".into(), password },
        false => Login { user, password },
    }
}

fn host_and_port(text: &str, port: u16) -> Result<Destination, Problem> {
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    let text = if has_port { text.to_owned() } else { format!("{text}:{port}") };
    match Destination::parse(&text) {
        Some(Destination::Host { port: 0, .. }) => Err(Problem::Host),
        Some(to @ Destination::Host { .. }) => Ok(to),
        Some(Destination::Address(Address::Tcp(address))) if address.port() > 0 => {
            Ok(address.into())
        }
        _ => Err(Problem::Host),
    }
}

/// Splits at the first `at`, which may be missing.
fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn some_first<'a>((first, second): (&'a str, &'a str)) -> (Option<&'a str>, &'a str) {
    (Some(first), second)
}

/// Decodes `%XX`.
fn decode(text: &str) -> Result<Box<str>, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let byte = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                hex(*high)? << 4 | hex(*low)?
            }
            (b'%', _) => return Err(Problem::Encoding),
            (byte, _) => *byte,
        };
        bytes.push(byte);
    }
    let text = String::from_utf8(bytes).ok();
    let text = text.filter(|text| !text.chars().any(char::is_control));
    Ok(text.ok_or(Problem::Encoding)?.into())
}

fn hex(digit: u8) -> Result<u8, Problem> {
    let value = char::from(digit).to_digit(16).ok_or(Problem::Encoding)?;
    u8::try_from(value).map_err(|_| Problem::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    type User = Option<(String, String)>;

    /// Returns the address as text, the user and password, and the database.
    fn redis(url: &str) -> Option<(String, User, u32)> {
        match parse(url) {
            Ok(EngineAddress::Redis { to, login, database }) => {
                let login = login.map(|it| (it.user.to_string(), it.password.to_string()));
                Some((to.to_string(), login, database))
            }
            _ => None,
        }
    }

    #[test]
    fn the_usual_forms_are_understood() {
        let login = |user: &str, password: &str| Some((user.to_owned(), password.to_owned()));
        for (url, to, user, database) in [
            ("redis://localhost", "localhost:6379", None, 0),
            ("redis://localhost/", "localhost:6379", None, 0),
            ("valkey://10.0.0.7:6380/15", "10.0.0.7:6380", None, 15),
            ("REDIS://[::1]/2", "[::1]:6379", None, 2),
            ("redis://[::1]:7000?db=3", "[::1]:7000", None, 3),
            ("redis://:pw@h:1", "h:1", login("default", "pw"), 0),
            ("redis://me:p%40w%2f%3a%25@h/1", "h:6379", login("me", "p@w/:%"), 1),
            ("redis://me:p@w@h", "h:6379", login("me", "p@w"), 0),
            ("redis://me:p:w@[::1]", "[::1]:6379", login("me", "p:w"), 0),
            ("redis://h?user=me&password=pw", "h:6379", login("me", "pw"), 0),
            ("redis://default:@h", "h:6379", login("default", ""), 0),
            ("unix:///run/redis.sock", "unix:/run/redis.sock", None, 0),
            ("redis+unix:///run/a%20b?db=4", "unix:/run/a b", None, 4),
            ("unix:///r?db=1&user=me&pass=p%26w", "unix:/r", login("me", "p&w"), 1),
            ("unix://me:pw@/r?db=2", "unix:/r", login("me", "pw"), 2),
            ("unix://:pw@/r", "unix:/r", login("default", "pw"), 0),
        ] {
            assert_eq!(redis(url), Some((to.to_owned(), user, database)), "{url}");
        }
    }

    #[test]
    fn others_have_advice() {
        for (url, problem) in [
            ("", Problem::Scheme),
            ("localhost:6379", Problem::Scheme),
            ("redis:localhost", Problem::Scheme),
            ("http://localhost", Problem::Scheme),
            ("rediss://localhost", Problem::Tls),
            ("tls://localhost", Problem::Tls),
            ("redis://", Problem::Host),
            ("redis://:6379", Problem::Host),
            ("redis://a b", Problem::Host),
            ("redis://h:0", Problem::Host),
            ("redis://127.0.0.1:0", Problem::Host),
            ("redis://h:65536", Problem::Host),
            ("redis://::1", Problem::Host),
            ("redis://h#1", Problem::Host),
            ("redis://unix:/x", Problem::Database),
            ("redis://me@h", Problem::Login),
            ("redis://h?user=me", Problem::Login),
            ("redis://:%@h", Problem::Encoding),
            ("redis://:%4g@h", Problem::Encoding),
            ("redis://:%ff@h", Problem::Encoding),
            ("redis://:%0d%0a@h", Problem::Encoding),
            ("redis://h/x", Problem::Database),
            ("redis://h/+1", Problem::Database),
            ("redis://:pass/word@h", Problem::Host),
            ("redis://h/1/2", Problem::Database),
            ("redis://h/4294967296", Problem::Database),
            ("redis://h/1?db=1", Problem::Parameter),
            ("redis://h?timeout=1", Problem::Parameter),
            ("redis://h?", Problem::Parameter),
            ("redis://:a@h?password=b", Problem::Parameter),
            ("unix://run/redis.sock", Problem::Path),
            ("unix://", Problem::Path),
            ("unix:///:pw@/run/redis.sock", Problem::Path),
            ("unix:///run/redis.sock&password=pw", Problem::Path),
        ] {
            assert_eq!(parse(url).err(), Some(problem), "{url}");
        }
    }

    #[cfg(feature = "nats")]
    #[test]
    fn urls_of_nats_are_understood() {
        let nats = |url: &str| match parse(url) {
            Ok(EngineAddress::Nats { to, login }) => Ok((to.to_string(), login)),
            Ok(_) => Err(Problem::Scheme),
            Err(problem) => Err(problem),
        };
        assert!(matches!(nats("nats://h"), Ok((to, None)) if to == "h:4222"));
        assert!(matches!(nats("nats://t%40k@[::1]:1/"), Ok((to, Some(NatsLogin::Token(token))))
            if to == "[::1]:1" && &*token == "t@k"));
        assert!(matches!(nats("nats://me:pw@h"), Ok((_, Some(NatsLogin::User { user, password })))
            if &*user == "me" && &*password == "pw"));
        assert_eq!(nats("nats://@h").err(), Some(Problem::Login));
        assert_eq!(nats("nats://h/x").err(), Some(Problem::Host));
    }

    #[cfg(not(feature = "nats"))]
    #[test]
    fn urls_of_nats_need_its_feature() {
        assert_eq!(parse("nats://h").err(), Some(Problem::NatsIsOff));
    }
}
