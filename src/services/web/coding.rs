//! The choice of a content coding, RFC 9110, section 12.5.3. Must not know files and bodies.

/// A coding, in the order of preference: of precompressed files, and of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::services) enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    const ALL: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

    /// Returns the value of `Content-Encoding`.
    pub(in crate::services) fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// Returns the end of the name of a precompressed file.
    #[cfg(feature = "files")]
    pub(in crate::services) fn end(self) -> &'static str {
        match self {
            Coding::Brotli => ".br",
            Coding::Gzip => ".gz",
        }
    }
}

/// The weight of a coding in thousandths: the client prefers the larger.
type Weight = u16;

/// Returns the codings that the client prefers to the plain bytes or likes as much, the best first.
/// `field` is the value of `Accept-Encoding`.
pub(in crate::services) fn accepted(field: &str) -> Vec<Coding> {
    let (mut any, mut plain) = (None, None);
    let mut own = [None; Coding::ALL.len()];
    for entry in field.split(',') {
        let mut parts = entry.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let Some(weight) = weight(parts) else { continue };
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        match name {
            "*" => any = Some(weight),
            _ if is("identity") => plain = Some(weight),
            _ if is("br") => own[0] = Some(weight),
            _ if is("gzip") || is("x-gzip") => own[1] = Some(weight),
            _ => {}
        }
    }
    let plain: Weight = plain.unwrap_or(0);
    let weighed = Coding::ALL.into_iter().zip(own);
    let mut codings: Vec<(Weight, Coding)> = weighed
        .filter_map(|(coding, weight)| Some((weight.or(any)?, coding)))
        .filter(|(weight, _)| *weight > 0 && *weight >= plain)
        .collect();
    // Stable: of two with one weight, the denser stays first.
    codings.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    codings.into_iter().map(|(_, coding)| coding).collect()
}

/// Returns the weight among the parameters, 1 by default. Returns `None` if it is malformed.
fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> Option<Weight> {
    let value = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    let Some(value) = value else { return Some(1000) };
    let (whole, thousandths) = value.split_once('.').unwrap_or((value, ""));
    let is_fine = thousandths.len() <= 3 && thousandths.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: Weight = format!("{thousandths:0<3}").parse().ok().filter(|_| is_fine)?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}
