//! The TLS flags, and what becomes of them: each leg that any flag of its own names has TLS.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::BoolishValueParser;

use super::Error;
use crate::net::HostPort;
use crate::tls::{Client, Leg, Legs, Paths, Server};

/// Where clients find TLS when nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1";
const DEFAULT_LISTEN_PORT: u16 = 6380;

// No doc comment: clap would take it for the text about the program.

#[derive(Debug, Args)]
#[command(
    next_help_heading = "TLS (any flag of a leg turns it on; files are read again when they change, and on SIGHUP)"
)]
pub(super) struct TlsFlags {
    /// Where clients connect with TLS, beside --listen; repeat it or separate with commas
    /// [default: 127.0.0.1:6380 with --listen-tls-cert-file, else none]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(super) listen_tls: Vec<HostPort>,
    /// The certificate clients are shown, with those between it and its CA; PEM
    #[arg(long, value_name = "FILE")]
    listen_tls_cert_file: Option<PathBuf>,
    /// Its private key; PEM
    #[arg(long, value_name = "FILE")]
    listen_tls_key_file: Option<PathBuf>,
    /// Clients must show a certificate signed by one of these CAs; PEM
    #[arg(long, value_name = "FILE")]
    listen_tls_ca_file: Option<PathBuf>,

    /// Data nodes are connected to with TLS, and need a certificate of a CA this system trusts
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    pub(super) upstream_tls: bool,
    /// They need one of one of these CAs instead; PEM
    #[arg(long, value_name = "FILE")]
    upstream_tls_ca_file: Option<PathBuf>,
    /// The certificate they are shown; PEM
    #[arg(long, value_name = "FILE")]
    upstream_tls_cert_file: Option<PathBuf>,
    /// Its private key; PEM
    #[arg(long, value_name = "FILE")]
    upstream_tls_key_file: Option<PathBuf>,
    /// The name in the certificate of every node; without it, the address that Sentinel names, which
    /// is mostly an IP address
    #[arg(long, value_name = "NAME")]
    upstream_tls_server_name: Option<String>,
    /// Believe any certificate: whoever is between can read and change everything
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    upstream_tls_skip_verify: bool,

    /// Sentinels are connected to with TLS, and need a certificate of a CA this system trusts
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    pub(super) sentinel_tls: bool,
    /// They need one of one of these CAs instead; PEM
    #[arg(long, value_name = "FILE")]
    sentinel_tls_ca_file: Option<PathBuf>,
    /// The certificate they are shown; PEM
    #[arg(long, value_name = "FILE")]
    sentinel_tls_cert_file: Option<PathBuf>,
    /// Its private key; PEM
    #[arg(long, value_name = "FILE")]
    sentinel_tls_key_file: Option<PathBuf>,
    /// The name in the certificate of every Sentinel; without it, the host given with --sentinel, and
    /// for those that are learned their address
    #[arg(long, value_name = "NAME")]
    sentinel_tls_server_name: Option<String>,
    /// Believe any certificate: whoever is between decides where commands go
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_value = "false", default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    sentinel_tls_skip_verify: bool,
}

impl TlsFlags {
    /// Where clients find TLS, and all that the legs need. Reads the files.
    pub(super) fn load(self) -> Result<(Vec<HostPort>, Legs), Error> {
        let listen = Paths {
            ca: self.listen_tls_ca_file,
            cert: self.listen_tls_cert_file,
            key: self.listen_tls_key_file,
        };
        let upstream = Outgoing {
            leg: Leg::Upstream,
            on: self.upstream_tls,
            paths: Paths {
                ca: self.upstream_tls_ca_file,
                cert: self.upstream_tls_cert_file,
                key: self.upstream_tls_key_file,
            },
            server_name: self.upstream_tls_server_name,
            skip_verify: self.upstream_tls_skip_verify,
        };
        let sentinel = Outgoing {
            leg: Leg::Sentinel,
            on: self.sentinel_tls,
            paths: Paths {
                ca: self.sentinel_tls_ca_file,
                cert: self.sentinel_tls_cert_file,
                key: self.sentinel_tls_key_file,
            },
            server_name: self.sentinel_tls_server_name,
            skip_verify: self.sentinel_tls_skip_verify,
        };
        let (addresses, listen) = incoming(self.listen_tls, listen)?;
        let legs = Legs {
            listen,
            upstream: upstream.load()?,
            sentinel: sentinel.load()?,
        };
        Ok((addresses, legs))
    }
}

fn incoming(
    mut addresses: Vec<HostPort>,
    paths: Paths,
) -> Result<(Vec<HostPort>, Option<Arc<Server>>), Error> {
    if addresses.is_empty() && paths.is_empty() {
        return Ok((addresses, None));
    }
    let server = Server::load(paths).map_err(Error::Tls)?;
    if addresses.is_empty() {
        addresses.push(HostPort::new(DEFAULT_LISTEN, DEFAULT_LISTEN_PORT));
    }
    Ok((addresses, Some(Arc::new(server))))
}

/// The flags of a leg on which we are the client.
struct Outgoing {
    leg: Leg,
    on: bool,
    paths: Paths,
    server_name: Option<String>,
    skip_verify: bool,
}

impl Outgoing {
    fn load(self) -> Result<Option<Arc<Client>>, Error> {
        let named = !self.paths.is_empty() || self.server_name.is_some();
        if !(self.on || named || self.skip_verify) {
            return Ok(None);
        }
        Client::load(self.leg, self.paths, self.server_name, self.skip_verify)
            .map(|client| Some(Arc::new(client)))
            .map_err(Error::Tls)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use crate::config::{Config, Error, Machine, Refusal, load};
    use crate::tls::tests::Files;

    fn config(flags: &[&str]) -> Result<Config, Refusal> {
        let args = std::iter::once("steadfast").chain(flags.iter().copied());
        let machine = Machine {
            descriptors: 1024,
            parallelism: 1,
            memory: None,
        };
        let secret = |name: &str| (name == "STEADFAST_PASSWORD").then(|| OsString::from("secret"));
        load(args.map(OsString::from).collect(), &secret, machine).map(|found| found.config)
    }

    /// Which legs these flags turn on: clients, data nodes, Sentinels.
    #[track_caller]
    fn check(flags: &[&str], expected: [bool; 3]) {
        let tls = config(flags).expect("usable").tls;
        let on = [
            tls.listen.is_some(),
            tls.upstream.is_some(),
            tls.sentinel.is_some(),
        ];
        assert_eq!(on, expected, "{flags:?}");
    }

    #[test]
    fn any_flag_of_a_leg_turns_it_on_and_no_other() {
        let files = Files::new();
        let [cert, key] = ["cert", "key"].map(|name| files.at(name).display().to_string());
        check(&[], [false; 3]);
        check(
            &["--upstream-tls=false", "--sentinel-tls-skip-verify=false"],
            [false; 3],
        );
        check(&["--upstream-tls"], [false, true, false]);
        check(&["--upstream-tls-ca-file", &cert], [false, true, false]);
        check(
            &["--upstream-tls-server-name", "a.example"],
            [false, true, false],
        );
        check(&["--sentinel-tls-skip-verify"], [false, false, true]);
        let own = [
            "--sentinel-tls-cert-file",
            &cert,
            "--sentinel-tls-key-file",
            &key,
        ];
        check(&own, [false, false, true]);
        let own = [
            "--listen-tls-cert-file",
            &cert,
            "--listen-tls-key-file",
            &key,
        ];
        check(&own, [true, false, false]);
        let addresses = config(&own).expect("usable").listen_tls;
        assert_eq!(addresses.len(), 1);
        assert_eq!(addresses[0].to_string(), "127.0.0.1:6380");
        assert!(
            config(&["--listen-tls", "127.0.0.1:0"]).is_err(),
            "no certificate"
        );
    }

    #[test]
    fn our_login_is_for_those_who_show_a_certificate() {
        let files = Files::new();
        let [cert, key] = ["cert", "key"].map(|name| files.at(name).display().to_string());
        let own = [
            "--listen-tls-cert-file",
            &cert,
            "--listen-tls-key-file",
            &key,
        ];
        let open = [&own[..], &["--listen-tls", "0.0.0.0:6380"]].concat();
        let refusal = config(&open).expect_err("anybody could come");
        assert!(
            matches!(refusal, Refusal::Settings(Error::OpenLogin { .. })),
            "{refusal}"
        );
        let certified = [&open[..], &["--listen-tls-ca-file", &cert]].concat();
        assert!(config(&certified).is_ok());
    }
}
