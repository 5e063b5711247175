//! Quantities on the command line: durations and sizes, with or without a unit.

use std::str::FromStr;
use std::time::Duration;

/// A duration: `5` and `5s` are seconds; `250ms` and `2m` say so. More than nothing.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds_per_unit = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" | "min" => 60.0,
        _ => return Err("a duration is a number of seconds, or of ms, s or m, as in 250ms".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "a duration begins with a number, as in 2.5s".to_owned())?;
    Duration::try_from_secs_f64(number * seconds_per_unit)
        .ok()
        .filter(|duration| !duration.is_zero() && duration.as_secs() <= 86_400)
        .ok_or_else(|| "a duration is more than nothing and at most a day".to_owned())
}

/// A number of bytes: `4096`, `64KiB`, `2MiB`, `1GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let shift = match unit {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        _ => return Err("a size is a number of bytes, or of KiB, MiB or GiB, as in 64MiB".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "a size begins with a whole number, as in 64MiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that many bytes there are not".to_owned())
}

/// A number of bytes, as [`bytes`] reads it, of something that lies in memory.
pub fn bytes_in_memory(text: &str) -> Result<usize, String> {
    usize::try_from(bytes(text)?).map_err(|_| "that many bytes do not fit into memory".to_owned())
}

/// A number of things.
pub fn count<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| "a number of things is a whole number that is not too large, as in 16".to_owned())
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, ms) in
            [("5", 5000), ("5s", 5000), ("0.25", 250), ("250ms", 250), ("2m", 120_000), ("1 s", 1000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "0", "-1", "s", "5x", "1e9", "90000", "1.2.3"] {
            duration(text).unwrap_err();
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, expected) in
            [("0", 0), ("4096", 4096), ("64KiB", 65536), ("2M", 2 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "1.5M", "5x", "-1", "99999999999GiB"] {
            bytes(text).unwrap_err();
        }
    }
}
