//! Names beyond ASCII by Unicode's rules: the Nickname profile of PRECIS (RFC 8266), and the
//! skeletons of UTS #39 for look-alikes. Must not know which names are in use.

use std::borrow::Cow;

use precis_core::profile::stabilize;
use precis_core::{DerivedPropertyValue, Error, FreeformClass, StringClass, UnexpectedError};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use super::name_rules::{LEN_MAX, MARKS_MAX, NameError, is_unfit};

/// The most characters in the canonical decomposition of one. A text of more than this many times
/// `LEN_MAX` characters is too long in each normal form.
const DECOMPOSED_MAX: usize = 4;
/// The most rounds of folding and normalization that a key takes.
const ROUNDS_MAX: usize = 4;
/// A symbol, for Unicode.
const BLANK_BRAILLE: char = '\u{2800}';

/// Returns the name as it is shown: the output of the profile. The profile takes spaces, and this
/// function does not, so the profile's rule for spaces has no work.
pub(super) fn enforce(text: &str) -> Result<String, NameError> {
    if text.chars().nth(DECOMPOSED_MAX * LEN_MAX).is_some() {
        return Err(NameError::TooLong);
    }
    // The class refuses the parts of a Korean syllable, which decomposed text has.
    let composed: String = text.nfc().collect();
    if let Some(unfit) = composed.chars().find(|c| c.nfkc().any(is_unfit_in_any_script)) {
        return Err(NameError::Unfit(unfit));
    }
    let shown = stabilize(&composed, rules).map_err(|error| refusal(&error, &composed))?;
    if shown.chars().nth(LEN_MAX).is_some() {
        return Err(NameError::TooLong);
    }
    check_marks(&shown)?;
    Ok(shown.into_owned())
}

/// Returns the key for comparison. The profile maps to lower case. Here case is folded, so that ß
/// and ss, or two forms of sigma, are one as well.
pub(super) fn key(shown: &str) -> String {
    let mut key = shown.to_owned();
    for _ in 0..ROUNDS_MAX {
        let folded = fold(&key);
        if folded == key {
            break;
        }
        key = folded;
    }
    key
}

/// Returns the skeleton of a name. Texts with the same skeleton look alike.
pub(super) fn skeleton(text: &str) -> String {
    unicode_security::skeleton(text).collect()
}

/// Returns true for characters that take no space or show nothing: joiners, fillers, direction
/// marks, selectors, tags.
pub(super) fn is_invisible(c: char) -> bool {
    // A skeleton is without the characters that Unicode says to ignore.
    c == BLANK_BRAILLE || unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).next().is_none()
}

fn is_unfit_in_any_script(c: char) -> bool {
    is_unfit(c) || c == BLANK_BRAILLE || c == char::REPLACEMENT_CHARACTER
}

/// The rules of the profile, except for case, which only the key needs.
fn rules(text: &str) -> Result<Cow<'_, str>, Error> {
    NameClass.allows(text)?;
    Ok(text.nfkc().collect::<String>().into())
}

/// The class of the profile. The tables of PRECIS end with Unicode 6.3, of the year 2013. Later
/// characters are judged here by their category, as its algorithm does.
struct NameClass;

impl StringClass for NameClass {
    fn get_value_from_char(&self, c: char) -> DerivedPropertyValue {
        match FreeformClass::default().get_value_from_char(c) {
            DerivedPropertyValue::Unassigned if is_fit_since_2013(c) => {
                DerivedPropertyValue::SpecClassPval
            }
            value => value,
        }
    }

    fn get_value_from_codepoint(&self, code: u32) -> DerivedPropertyValue {
        let c = char::from_u32(code);
        c.map_or(DerivedPropertyValue::Disallowed, |c| self.get_value_from_char(c))
    }
}

fn is_fit_since_2013(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Mark, Number, Punctuation, Symbol};
    let group = c.general_category_group();
    matches!(group, Letter | Mark | Number | Punctuation | Symbol) && !is_invisible(c)
}

/// Returns the reason of `error`, with the character of `text` that caused it.
fn refusal(error: &Error, text: &str) -> NameError {
    use UnexpectedError::{ContextRuleNotApplicable, MissingContextRule};
    let code = match error {
        Error::BadCodepoint(at) => Some(at.cp),
        Error::Unexpected(MissingContextRule(at) | ContextRuleNotApplicable(at)) => Some(at.cp),
        _ => None,
    };
    let is_cause = |c: &char| match code.and_then(char::from_u32) {
        Some(unfit) => *c == unfit || c.nfkc().any(|part| part == unfit),
        // The rule of this character looks at a neighbour that is missing.
        None => is_contextual(*c),
    };
    text.chars().find(is_cause).map_or(NameError::Empty, NameError::Unfit)
}

fn is_contextual(c: char) -> bool {
    use DerivedPropertyValue::{ContextJ, ContextO};
    matches!(NameClass.get_value_from_char(c), ContextJ | ContextO)
}

/// Counts the marks of the decomposed name, so that the form of the input makes no difference.
fn check_marks(shown: &str) -> Result<(), NameError> {
    let mut row = 0;
    for (at, c) in shown.nfd().enumerate() {
        match is_combining_mark(c) {
            true if at == 0 => return Err(NameError::BeginsWithMark(c)),
            true if row == MARKS_MAX => return Err(NameError::TooManyMarks),
            true => row += 1,
            false => row = 0,
        }
    }
    Ok(())
}

/// Down, up and down again: some letters have one upper case and two lower ones, and the upper case
/// of a sharp s is two letters, or one that is its own upper case.
fn fold(text: &str) -> String {
    let upper = text.chars().flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).nfkc().collect()
}
