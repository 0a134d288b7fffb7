//! The routes of a service before its first connection, and the checks of them. Knows no request.

use std::collections::HashMap;
use std::sync::Arc;

use http::Method;

use super::failure::Failure;
use super::forwarded::Proxies;
use super::intake::{Intake, Open, Resume};
use super::pattern::{self, Names, Pattern};
use super::record::OnAnswer;
use super::request::Request;
use super::router::{Entry, Route, Router};
use super::scope::{Scope, Scopes};
use super::site::{Site, Waiting};
use crate::protocol::http::HttpLimits;

pub(super) struct Plan<S> {
    routes: Vec<Planned<S>>,
    body_limits: Vec<BodyLimit>,
    scopes: Scopes<S>,
    pub(super) proxies: Proxies,
    pub(super) on_answer: Option<OnAnswer>,
    /// The first mistake, as a sentence.
    defect: Option<String>,
}

struct Planned<S> {
    method: Option<Method>,
    /// The path as the user has written it.
    path: String,
    pattern: Pattern,
    names: Names,
    scope: usize,
    run: Route<S>,
    open: Option<Open<S>>,
}

struct BodyLimit {
    path: String,
    pattern: Pattern,
    bytes: u64,
}

impl<S> Planned<S> {
    fn title(&self) -> String {
        title(self.method.as_ref(), &self.path)
    }
}

fn title(method: Option<&Method>, path: &str) -> String {
    format!("{} {path}", method.map_or("ANY", Method::as_str))
}

impl<S> Plan<S> {
    pub(super) fn new(state: S) -> Plan<S> {
        let scopes = Scopes::new(Scope::new(state));
        Plan {
            routes: Vec::new(),
            body_limits: Vec::new(),
            scopes,
            proxies: Proxies::default(),
            on_answer: None,
            defect: None,
        }
    }

    /// Returns the outermost router.
    pub(super) fn scope(&mut self) -> &mut Scope<S> {
        self.scopes.outermost_mut()
    }

    pub(super) fn add(&mut self, method: Option<Method>, path: &str, run: Route<S>) {
        self.add_planned(method, path, run, None);
    }

    /// Adds a route whose body is consumed as it arrives. Without a body it makes a consumer, too.
    pub(super) fn add_upload<F, I>(&mut self, method: Method, path: &str, open: F)
    where
        S: 'static,
        F: Fn(&Request<'_, S>, Resume) -> Result<I, Failure> + Send + Sync + 'static,
        I: Intake,
    {
        let open = Arc::new(open);
        let empty = Arc::clone(&open);
        let run: Route<S> =
            Box::new(move |request, reply| empty(request, Resume::of_none())?.end(reply));
        let open: Open<S> = Box::new(move |request, resume| Ok(Box::new(open(request, resume)?)));
        self.add_planned(Some(method), path, run, Some(open));
    }

    fn add_planned(
        &mut self,
        method: Option<Method>,
        path: &str,
        run: Route<S>,
        open: Option<Open<S>>,
    ) {
        if matches!(method, Some(Method::TRACE | Method::CONNECT)) {
            let title = title(method.as_ref(), path);
            self.note(format!("the route {title} would never be called: the answer is always 501"));
        }
        match Pattern::parse(path) {
            Ok((pattern, names)) => {
                let path = path.to_owned();
                self.routes.push(Planned { method, path, pattern, names, scope: 0, run, open });
            }
            Err(rule) => self.note(format!("the route {} {rule}", title(method.as_ref(), path))),
        }
    }

    pub(super) fn limit_body(&mut self, path: &str, bytes: u64) {
        match Pattern::parse(path) {
            Ok((pattern, _)) => {
                self.body_limits.push(BodyLimit { path: path.to_owned(), pattern, bytes });
            }
            Err(rule) => self.note(format!("the path {path} of a body limit {rule}")),
        }
    }

    /// Adds the routes of another plan below a prefix.
    pub(super) fn nest(&mut self, prefix: &str, other: Plan<S>) {
        let (pattern, names) = match Pattern::parse_prefix(prefix) {
            Ok(parsed) => parsed,
            Err(rule) => {
                self.note(format!("the prefix {prefix} of nested routes {rule}"));
                return;
            }
        };
        if let Some(defect) = other.defect {
            self.note(format!("{defect}, in the routes below {prefix}"));
        }
        let shift = self.scopes.adopt(other.scopes, &pattern);
        for route in other.routes {
            let path = join(prefix, &route.path);
            let names = [&*names, &*route.names].concat();
            if let Err(rule) = pattern::check_names(&names) {
                self.note(format!("the route {} {rule}", title(route.method.as_ref(), &path)));
            }
            let pattern = route.pattern.below(&pattern);
            let scope = route.scope + shift;
            self.routes.push(Planned { path, pattern, names, scope, ..route });
        }
        self.body_limits.extend(other.body_limits.into_iter().map(|limit| BodyLimit {
            path: join(prefix, &limit.path),
            pattern: limit.pattern.below(&pattern),
            bytes: limit.bytes,
        }));
    }

    fn note(&mut self, defect: String) {
        self.defect.get_or_insert(defect);
    }

    /// Returns the first mistake.
    pub(super) fn defect(&self) -> Option<String> {
        self.defect.clone().or_else(|| self.duplicate()).or_else(|| self.useless_limit())
    }

    fn duplicate(&self) -> Option<String> {
        let mut known = HashMap::new();
        self.routes.iter().find_map(|route| {
            let other: &Planned<S> = known.insert((&route.method, &route.pattern), route)?;
            let (first, second) = (other.title(), route.title());
            Some(match first == second {
                true => format!("the route {first} is there twice"),
                false => format!("the routes {first} and {second} match the same requests"),
            })
        })
    }

    fn useless_limit(&self) -> Option<String> {
        let has_route = |limit: &&BodyLimit| self.routes.iter().any(|r| r.pattern == limit.pattern);
        let useless = self.body_limits.iter().find(|limit| !has_route(limit))?;
        Some(format!("the body limit of {} is for a path that has no route", useless.path))
    }

    /// Creates the part that connections share. After a mistake in the routes, it answers every
    /// request with 500.
    pub(super) fn build(mut self, limits: &HttpLimits) -> Site<S> {
        let mut router = Router::new();
        let body_limit = limits.body;
        let mut decoder_limits = limits.clone();
        if let Some(defect) = self.defect() {
            self.routes.clear();
            self.body_limits.clear();
            let fail = move || Failure::internal(format!("the routes are wrong: {defect}"));
            self.scope().not_found = Some(Box::new(move |_, _| Err(fail())));
        }
        for route in self.routes {
            let Planned { method, pattern, names, scope, run, open, .. } = route;
            let is_plain = self.scopes.is_plain(scope);
            router.add(method, &pattern, Entry { run, open, names, scope, is_plain });
        }
        for limit in self.body_limits {
            router.methods_of(&limit.pattern).body_limit = Some(limit.bytes);
            decoder_limits.body = decoder_limits.body.max(limit.bytes);
        }
        Site {
            router,
            scopes: self.scopes,
            limits: Arc::new(decoder_limits),
            body_limit,
            is_observed: self.on_answer.is_some() || !self.proxies.is_empty(),
            proxies: self.proxies,
            on_answer: self.on_answer,
            waiting: Waiting::GivesWay,
        }
    }
}

/// Returns a path below a prefix.
fn join(prefix: &str, path: &str) -> String {
    format!("{prefix}{}", if path == "/" { "" } else { path })
}
