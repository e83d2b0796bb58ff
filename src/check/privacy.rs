//! What TLS leaves open although it is on. Pure.

use crate::config::Config;

/// Warns of legs that believe anybody, and of a plain port beside the one for TLS.
pub(super) fn weigh(config: &Config, warnings: &mut Vec<String>) {
    for leg in [&config.tls.upstream, &config.tls.sentinel]
        .into_iter()
        .flatten()
        .filter(|leg| leg.skips_verification())
    {
        let flag = leg.leg().flag();
        warnings.push(format!(
            "{flag}-skip-verify believes any certificate: whoever is on the way can read and change everything; give {flag}-ca-file instead"
        ));
    }
    let beyond = config.listen.iter().find(|listen| !listen.is_loopback());
    if let (Some(listen), Some(_)) = (beyond, &config.tls.listen) {
        warnings.push(format!(
            "clients can come to {listen} without TLS as well: --listen off ends that"
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::config::{Machine, load};
    use crate::tls::tests::Files;

    fn warnings(flags: &[&str]) -> Vec<String> {
        let files = Files::new();
        let [cert, key] = ["cert", "key"].map(|name| files.at(name).display().to_string());
        let own = [
            "--listen-tls-cert-file",
            &cert,
            "--listen-tls-key-file",
            &key,
        ];
        let args = ["steadfast", "check"].iter().chain(&own).chain(flags);
        let machine = Machine {
            descriptors: 1024,
            parallelism: 1,
            memory: None,
        };
        let config = load(args.map(OsString::from).collect(), &|_| None, machine);
        let mut warnings = Vec::new();
        weigh(&config.expect("usable").config, &mut warnings);
        warnings
    }

    #[test]
    fn what_is_left_open_is_said() {
        assert!(warnings(&[]).is_empty());
        assert!(warnings(&["--listen", "off"]).is_empty());
        let open = warnings(&["--listen", "0.0.0.0:6379"]);
        assert!(
            matches!(&open[..], [text] if text.contains("0.0.0.0:6379")),
            "{open:?}"
        );
        let blind = warnings(&[
            "--upstream-tls-skip-verify",
            "--sentinel-tls-skip-verify=true",
        ]);
        assert_eq!(blind.len(), 2, "{blind:?}");
    }
}
