//! Which of the known names was probably meant by an unknown one. Pure.

/// Names up to so many letters apart are taken for each other: one for each three letters.
const LETTERS_PER_SLIP: usize = 3;
/// The beginning of a name says which it is from so many letters on.
const PREFIX_LEN_MIN: usize = 4;
/// Longer names are nothing that anybody meant; comparing takes the product of the lengths.
const NAME_LEN_MAX: usize = 64;

/// The index of the name nearest to `name`, if any is near.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<usize> {
    if name.len() > NAME_LEN_MAX {
        return None;
    }
    let near = |(index, other): (usize, &str)| {
        let slips = distance(name, other);
        let begun = name.len() >= PREFIX_LEN_MIN && other.starts_with(name);
        (begun || slips * LETTERS_PER_SLIP <= name.len()).then_some((slips, index))
    };
    let best = known.enumerate().filter_map(near).min()?;
    Some(best.1)
}

/// How many letters have to be put in, left out or replaced to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut above: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.bytes().enumerate() {
        let mut left = row + 1;
        let mut below = vec![left];
        for (facing, pair) in other.bytes().zip(above.windows(2)) {
            let [diagonal, over] = pair else { break };
            let replaced = diagonal + usize::from(letter != facing);
            left = replaced.min(over + 1).min(left + 1);
            below.push(left);
        }
        above = below;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_apart() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("pool", "poll", 1),
            ("listen", "lsten", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        let known = ["pool", "listen", "listen_tls", "password_file", "workers"];
        let found = nearest(name, known.into_iter()).and_then(|index| known.get(index).copied());
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn slips_and_beginnings_are_near() {
        check("worker", Some("workers"));
        check("wrokers", Some("workers"));
        check("listn", Some("listen"));
        check("listen_tsl", Some("listen_tls"));
        check("password", Some("password_file"));
        check("colour", None);
        check("x", None);
        check("", None);
        check(&"pool".repeat(20), None);
    }
}
