//! Numbers as decimal digits, without the cost of `format!`: every answer contains one.

/// Appends the digits of a number. Optimized for few digits, as most lengths have.
#[inline]
pub(super) fn append_decimal(out: &mut Vec<u8>, number: u64) {
    let digit = |unit: u64| b'0' + (number / unit % 10) as u8;
    match number {
        0..10 => out.push(digit(1)),
        10..100 => out.extend_from_slice(&[digit(10), digit(1)]),
        100..1000 => out.extend_from_slice(&[digit(100), digit(10), digit(1)]),
        _ => append_long_decimal(out, number),
    }
}

fn append_long_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}
