//! What went wrong between two ends of TLS, in words that say what to do.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::Leg;

/// Longest part of what a peer says of itself that is repeated.
const TEXT_LEN_MAX: usize = 120;

/// Why a connection cannot be secured.
#[derive(Debug)]
pub struct Failure {
    leg: Leg,
    /// We have a certificate to show.
    has_identity: bool,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Tls(Error),
    Name(String),
    PlainText,
    HungUp,
    TooLong,
    Late,
}

impl Failure {
    pub(super) fn new(leg: Leg, has_identity: bool, error: Error) -> Self {
        Self {
            leg,
            has_identity,
            cause: Cause::Tls(error),
        }
    }

    pub(super) fn unusable_name(leg: Leg, host: &str) -> Self {
        Self::with(leg, Cause::Name(shortened(host)))
    }

    /// What the peer sent first is no TLS.
    #[must_use]
    pub fn plain_text(leg: Leg) -> Self {
        Self::with(leg, Cause::PlainText)
    }

    /// The peer closed the connection before it was secured.
    #[must_use]
    pub fn hung_up(leg: Leg) -> Self {
        Self::with(leg, Cause::HungUp)
    }

    /// The peer's part of the handshake is longer than any that is meant.
    #[must_use]
    pub fn too_long(leg: Leg) -> Self {
        Self::with(leg, Cause::TooLong)
    }

    /// The peer took too long.
    #[must_use]
    pub fn late(leg: Leg) -> Self {
        Self::with(leg, Cause::Late)
    }

    fn with(leg: Leg, cause: Cause) -> Self {
        Self {
            leg,
            has_identity: true,
            cause,
        }
    }

    fn explain(&self, error: &Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = self.leg.flag();
        match error {
            Error::InvalidCertificate(error) => self.certificate(error, f),
            Error::NoCertificatesPresented => write!(
                f,
                "it shows no certificate, and {flag}-ca-file asks for one: give the client one of that CA"
            ),
            Error::AlertReceived(alert) => self.alert(*alert, f),
            Error::InvalidMessage(InvalidMessage::InvalidContentType) => plain_text(self.leg, f),
            error => write!(f, "TLS fails with it: {}", shortened(&error.to_string())),
        }
    }

    fn certificate(&self, error: &CertificateError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CertificateError as E;
        let flag = self.leg.flag();
        match error {
            E::Expired => f.write_str("its certificate has expired: renew it there"),
            E::ExpiredContext { time, not_after } => write!(
                f,
                "its certificate expired {} ago: renew it there, or correct this machine's clock",
                Span::between(*not_after, *time)
            ),
            E::NotValidYet => f.write_str("its certificate is not valid yet: compare the clocks"),
            E::NotValidYetContext { time, not_before } => write!(
                f,
                "its certificate is valid only in {}: compare the clocks of both machines",
                Span::between(*time, *not_before)
            ),
            E::UnknownIssuer => write!(
                f,
                "its certificate is signed by a CA that is not known here: give that CA's certificate with {flag}-ca-file"
            ),
            E::BadSignature => write!(
                f,
                "its certificate is signed by a CA that is not known here, although one of that name is: was the CA made anew? Give its certificate with {flag}-ca-file"
            ),
            E::NotValidForNameContext {
                expected,
                presented,
            } => write!(
                f,
                "its certificate is for {}, not for {}: give a name it has with {flag}-server-name, or have this one added to it",
                match presented.as_slice() {
                    [] => "nobody".to_owned(),
                    names => {
                        let names: Vec<_> = names.iter().map(|name| bare(name)).collect();
                        shortened(&names.join(", "))
                    }
                },
                shortened(&expected.to_str())
            ),
            E::NotValidForName => write!(
                f,
                "its certificate is for another name: give one it has with {flag}-server-name"
            ),
            error => write!(
                f,
                "its certificate cannot be accepted: {}",
                shortened(&error.to_string())
            ),
        }
    }

    /// The peer says what it does not like about us.
    fn alert(&self, alert: AlertDescription, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use AlertDescription as A;
        let flag = self.leg.flag();
        match alert {
            A::CertificateRequired | A::HandshakeFailure if !self.has_identity => write!(
                f,
                "it wants a certificate of ours: give {flag}-cert-file and {flag}-key-file"
            ),
            A::UnknownCA | A::DecryptError => write!(
                f,
                "it does not know the CA of our certificate ({flag}-cert-file): the other side must be given that CA, and we any certificate in between"
            ),
            A::CertificateExpired => {
                write!(
                    f,
                    "it says that our certificate ({flag}-cert-file) has expired: renew it"
                )
            }
            A::BadCertificate | A::CertificateUnknown | A::UnsupportedCertificate => write!(
                f,
                "it refuses our certificate ({flag}-cert-file; it says {alert:?}): compare its names and purpose with what the other side checks"
            ),
            A::ProtocolVersion => f.write_str("it speaks neither TLS 1.2 nor 1.3"),
            alert => write!(f, "it ends TLS with the alert {alert:?}: look into its log"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = self.leg.flag();
        match &self.cause {
            Cause::Tls(error) => self.explain(error, f),
            Cause::Name(host) => write!(
                f,
                "'{host}' cannot be a name in a certificate: give the one to expect with {flag}-server-name"
            ),
            Cause::PlainText => plain_text(self.leg, f),
            Cause::HungUp => f.write_str(
                "it hung up during the TLS handshake: it speaks plain text, or refuses us without a word",
            ),
            Cause::TooLong => f.write_str("its TLS handshake is longer than 32 KiB"),
            Cause::Late => f.write_str("it did not end the TLS handshake in time"),
        }
    }
}

impl std::error::Error for Failure {}

fn plain_text(leg: Leg, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match leg {
        Leg::Listen => f.write_str(
            "it speaks plain text on a port for TLS: let it use TLS (rediss://), or a plain port (--listen)",
        ),
        leg => write!(
            f,
            "it speaks plain text where TLS is expected: name its TLS port, or leave {} out",
            leg.flag()
        ),
    }
}

/// A length of time for people.
struct Span(u64);

impl Span {
    fn between(from: UnixTime, to: UnixTime) -> Self {
        Self(to.as_secs().saturating_sub(from.as_secs()))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            seconds @ ..120 => write!(f, "{seconds} s"),
            seconds @ ..7200 => write!(f, "{} minutes", seconds / 60),
            seconds @ ..172_800 => write!(f, "{} hours", seconds / 3600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}

/// The name in `DnsName("a.example")` or `IpAddress(10.0.0.1)`, as a certificate's names are shown.
fn bare(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// Text of a peer's, bounded and on one line.
fn shortened(text: &str) -> String {
    text.escape_debug().take(TEXT_LEN_MAX).collect()
}
