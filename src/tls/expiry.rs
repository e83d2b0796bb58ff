//! Until when certificates are valid: the one field of X.509 that rustls does not tell. Pure.
//!
//! Walks the outer structure of DER alone and believes nothing; what has another shape has no date.

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::files::Contents;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version of a certificate, which may be left out.
const VERSION: u8 = 0xa0;
/// Bytes of a length that are believed: 4 GiB.
const LENGTH_BYTES_MAX: usize = 4;

/// When what a leg uses ends, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expiry {
    /// The certificate it shows, with all between it and its CA: whichever ends first.
    pub certificate: Option<i64>,
    /// The CAs it believes, where a file names them: whichever ends last.
    pub ca: Option<i64>,
}

impl Expiry {
    pub(super) fn of(contents: &Contents) -> Self {
        let ends = |pem: &Option<_>| -> Vec<i64> {
            let bytes: &[u8] = pem
                .as_ref()
                .map_or(&[], |pem: &zeroize::Zeroizing<Vec<u8>>| pem);
            let found = CertificateDer::pem_slice_iter(bytes).flatten();
            found.filter_map(|one| not_after(&one)).collect()
        };
        Self {
            certificate: ends(&contents.cert).into_iter().min(),
            ca: ends(&contents.ca).into_iter().max(),
        }
    }
}

/// When a certificate ends.
fn not_after(der: &[u8]) -> Option<i64> {
    let (_, certificate, _) = element(der, Some(SEQUENCE))?;
    let (_, mut fields, _) = element(certificate, Some(SEQUENCE))?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields, None)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields, None)?.2;
    }
    let (_, validity, _) = element(fields, Some(SEQUENCE))?;
    let (_, _, validity) = element(validity, None)?;
    let (tag, text, _) = element(validity, None)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// The tag and the content of the first element, and what comes after it.
fn element(der: &[u8], expected: Option<u8>) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        len @ ..0x80 => (usize::from(*len), rest),
        more => {
            let count = usize::from(more & 0x7f);
            let bytes = rest.get(..count).filter(|_| count <= LENGTH_BYTES_MAX)?;
            let len = bytes
                .iter()
                .fold(0_usize, |len, byte| (len << 8) | usize::from(*byte));
            (len, rest.get(count..)?)
        }
    };
    let right = expected.is_none_or(|expected| expected == *tag);
    right.then_some((*tag, rest.get(..len)?, rest.get(len..)?))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, as RFC 5280 has them.
fn time(tag: u8, text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i64 = digits.get(..2)?.parse().ok()?;
            (year + if year < 50 { 2000 } else { 1900 }, digits.get(2..)?)
        }
        GENERALIZED_TIME => (digits.get(..4)?.parse().ok()?, digits.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| -> Option<i64> { rest.get(at..at + 2)?.parse().ok() };
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    ((1..=12).contains(&month) && (1..=31).contains(&day))
        .then(|| days(year, month, day) * 86_400 + seconds)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar (years that begin in March, so that a leap
/// day comes last).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn ends_at(year: i32, expected: i64) {
        let mut params = rcgen::CertificateParams::new(vec!["x".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(year, 3, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        assert_eq!(not_after(certificate.der()), Some(expected), "{year}");
    }

    #[test]
    fn both_forms_of_a_date_are_read() {
        ends_at(2028, 1_835_481_600);
        ends_at(2060, 2_845_324_800);
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1) - days(2000, 2, 28), 2);
        assert_eq!(days(2100, 3, 1) - days(2100, 2, 28), 1);
    }

    #[test]
    fn nonsense_has_no_date() {
        for der in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x02\x30\x00",
            b"\x30\x89",
        ] {
            assert_eq!(not_after(der), None, "{der:?}");
        }
        assert_eq!(time(UTC_TIME, "99"), None);
        assert_eq!(time(UTC_TIME, "991301000000Z"), None);
    }
}
