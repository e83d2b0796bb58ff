//! The page for a browser: one file, which asks for `/status` every second and loads nothing else.
//!
//! Nothing is put into it here, and its script puts what peers said into the page as text only; the
//! policy sent with it lets a browser run this very script and no other.

/// The page as it is served.
pub(super) const HTML: &str = include_str!("page.html");

/// What a browser may do for it. The digests are of what stands between the tags; a test compares.
pub(super) const POLICY: &str = "default-src 'none'; \
    script-src 'sha256-8WRgzmnGG9hx9bXzuL6U5zh9EwNlytYAkUYUGeEilmo='; \
    style-src 'sha256-ofPDmclUjju4JQYGHPJplUPSOMe5kNctRYHeA8AeZYw='; \
    img-src data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use rustls::SupportedCipherSuite;
    use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;

    use super::*;

    const LEN_MAX: usize = 16 * 1024;
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    /// The SHA-256 digest of what stands between `<tag>` and its end, in Base64.
    fn digest(tag: &str) -> String {
        let (_, rest) = HTML.split_once(&format!("<{tag}>")).expect("it begins");
        let (text, _) = rest.split_once(&format!("</{tag}>")).expect("and ends");
        let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else {
            panic!("a suite of TLS 1.3");
        };
        let digest = suite.common.hash_provider.hash(text.as_bytes());
        let groups = digest.as_ref().chunks(3).map(|three| {
            let bits = three
                .iter()
                .fold(0, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - three.len()));
            let letter = |at: usize| ALPHABET[(bits >> (18 - 6 * at)) as usize & 63] as char;
            let letters: String = (0..=three.len()).map(letter).collect();
            format!("{letters:=<4}")
        });
        groups.collect()
    }

    #[test]
    fn a_browser_may_run_this_script_and_style_and_no_others() {
        for tag in ["script", "style"] {
            let source = format!("{tag}-src 'sha256-{}'", digest(tag));
            assert!(POLICY.contains(&source), "the policy needs {source}");
            assert_eq!(HTML.matches(&format!("</{tag}>")).count(), 1);
        }
    }

    #[test]
    fn the_page_is_small_and_loads_nothing_from_elsewhere() {
        assert!(HTML.len() < LEN_MAX, "{}", HTML.len());
        for foreign in [
            "http:",
            "https:",
            "src=",
            "@import",
            "url(",
            "innerHTML",
            " style=",
            " onclick=",
        ] {
            assert!(!HTML.contains(foreign), "{foreign}");
        }
    }
}
