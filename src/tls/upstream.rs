//! TLS towards upstreams: whom to trust there, and what to show.
//!
//! There is no way to switch verification off. Who has a private authority names it.

use super::fault::FileFault;
use super::server::{H2, HTTP_1_1};
use super::{pem, provider};
use crate::diag::{Code, Diagnostic, Report};
use crate::policy::raw::{RawUpstream, RawUpstreamTls, Text};
use crate::policy::upstream::{Protocol, Upstream, UpstreamAddress};
use crate::source::Span;
use aws_lc_rs::digest::{Context, SHA256};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

/// How to speak to one upstream under TLS.
pub struct UpstreamTls {
    /// For handshakes; holds the sessions that can be taken up again.
    pub config: Arc<ClientConfig>,
    /// Whose certificate it must be, and the name that is asked for (SNI).
    pub name: ServerName<'static>,
    /// Over everything that a connection's trust came from, and where it leads: connections with
    /// another one are not used in its place.
    pub digest: [u8; 32],
    /// The same for the upstream's other endpoints, in their order.
    pub others: Box<[Arc<UpstreamTls>]>,
}

impl UpstreamTls {
    /// The same at one of the addresses of the name: connections to one are not used in place of
    /// those to another.
    pub fn at(&self, ip: IpAddr) -> UpstreamTls {
        let mut digest = Digest(Context::new(&SHA256));
        digest.add(&[&self.digest, ip.to_string().as_bytes()]);
        let (config, name) = (self.config.clone(), self.name.clone());
        UpstreamTls { config, name, digest: digest.finish(), others: Box::default() }
    }
}

/// What the settings of upstreams are made of besides the policy's text.
pub struct Inputs<'a> {
    /// Reads a file by its path as typed.
    pub file: &'a dyn Fn(&str) -> io::Result<Vec<u8>>,
    /// The authorities of the system, for upstreams that name none.
    pub system: &'a dyn Fn() -> Vec<CertificateDer<'static>>,
}

/// Makes what each upstream needs, in their order; none for those in clear. `raw` are those of the
/// policy, which are the last ones. Where the report has errors afterwards, it must not become live.
pub fn compile(
    upstreams: &[Upstream],
    raw: &[RawUpstream],
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Box<[Option<Arc<UpstreamTls>>]> {
    let first = upstreams.len().saturating_sub(raw.len());
    let mut compiler = Compiler { inputs, report, system: None };
    let each = upstreams.iter().enumerate().map(|(at, upstream)| {
        let typed = at.checked_sub(first).and_then(|at| raw.get(at));
        compiler.upstream(upstream, typed).map(Arc::new)
    });
    each.collect()
}

struct Compiler<'a> {
    inputs: &'a Inputs<'a>,
    report: &'a mut Report,
    /// Read once for all that need it.
    system: Option<Vec<CertificateDer<'static>>>,
}

/// A chain and its key, as they were read.
type Shown = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Compiler<'_> {
    fn upstream(&mut self, to: &Upstream, raw: Option<&RawUpstream>) -> Option<UpstreamTls> {
        let first = self.endpoint(&to.address, to, raw)?;
        let others = to.others.iter().map(|one| self.endpoint(one, to, raw).map(Arc::new));
        Some(UpstreamTls { others: others.collect::<Option<_>>()?, ..first })
    }

    fn endpoint(
        &mut self,
        address: &UpstreamAddress,
        to: &Upstream,
        raw: Option<&RawUpstream>,
    ) -> Option<UpstreamTls> {
        let tls = raw.and_then(|raw| raw.tls.as_ref());
        let UpstreamAddress::Tls { host, port } = address else {
            if let Some(tls) = tls {
                let message = format!("`{}` has `tls`, but its URL is not `https`", to.id);
                self.error(tls.span, message, "write `https://HOST:PORT`, or take `tls` out");
            }
            return None;
        };
        let at = raw.map_or(Span::default(), |raw| raw.url.span);
        let wanted = tls.and_then(|tls| tls.server_name.as_ref());
        let (name, at) = wanted.map_or((&**host, at), |name| (&name.value, name.span));
        let Ok(name) = ServerName::try_from(name.to_owned()) else {
            let message = format!("`{name}` is no name that a certificate could have");
            self.error(at, message, "write a DNS name or an IP address");
            return None;
        };
        let mut digest = Digest(Context::new(&SHA256));
        digest.add(&[host.as_bytes(), &port.to_be_bytes(), name.to_str().as_bytes()]);
        digest.add(&[alpn(to.protocol)]);
        let roots = self.roots(tls.and_then(|tls| tls.ca.as_ref()), at, &mut digest)?;
        let shown = match tls {
            Some(RawUpstreamTls { cert: Some(cert), key: Some(key), .. }) => {
                Some((self.shown(cert, key, &mut digest)?, key))
            }
            _ => None,
        };
        let config = self.config(roots, shown, to.protocol)?;
        let (config, others) = (Arc::new(config), Box::default());
        Some(UpstreamTls { config, name, digest: digest.finish(), others })
    }

    fn roots(&mut self, ca: Option<&Text>, at: Span, digest: &mut Digest) -> Option<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let Some(ca) = ca else {
            let system = self.system.get_or_insert_with(self.inputs.system);
            system.iter().for_each(|der| digest.add(&[der]));
            roots.add_parsable_certificates(system.iter().cloned());
            if roots.is_empty() {
                let message = "this machine has no list of certificate authorities".to_owned();
                self.error(
                    at,
                    message,
                    "install one (`ca-certificates`), or name `tls: {ca: FILE}`",
                );
                return None;
            }
            return Some(roots);
        };
        let text = self.read(ca)?;
        digest.add(&[&text]);
        let authorities =
            pem::certificates(&text).map_err(|fault| self.unusable(ca, fault)).ok()?;
        for (at, der) in authorities.into_iter().enumerate() {
            let added = roots.add(der);
            added.map_err(|_| self.unusable(ca, FileFault::NotX509(at + 1))).ok()?;
        }
        Some(roots)
    }

    fn shown(&mut self, cert: &Text, key: &Text, digest: &mut Digest) -> Option<Shown> {
        let (chain, private) = (self.read(cert)?, self.read(key)?);
        digest.add(&[&chain, &private]);
        let chain = pem::certificates(&chain).map_err(|fault| self.unusable(cert, fault)).ok()?;
        let private = pem::key(&private).map_err(|fault| self.unusable(key, fault)).ok()?;
        Some((chain, private))
    }

    fn config(
        &mut self,
        roots: RootCertStore,
        shown: Option<(Shown, &Text)>,
        protocol: Protocol,
    ) -> Option<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for both versions")
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(((chain, private), key)) => builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| self.unusable(key, key_fault(&error)))
                .ok()?,
        };
        config.alpn_protocols = vec![alpn(protocol).to_vec()];
        Some(config)
    }

    fn read(&mut self, file: &Text) -> Option<Vec<u8>> {
        let read = (self.inputs.file)(&file.value);
        read.map_err(|error| {
            let message = format!("`{}` cannot be read: {error}", file.value);
            self.error(file.span, message, "check the path; it starts from the policy's folder");
        })
        .ok()
    }

    fn unusable(&mut self, file: &Text, fault: FileFault) {
        let message = format!("`{}` cannot be used: {fault}", file.value);
        self.error(file.span, message, "put the right file in its place");
    }

    fn error(&mut self, at: Span, message: String, help: &str) {
        self.report.push(Diagnostic::error(Code::TlsValid, at, message).help(help));
    }
}

/// What is offered: the one protocol that the policy names.
fn alpn(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::Http1 => HTTP_1_1,
        Protocol::Http2 => H2,
    }
}

fn key_fault(error: &Error) -> FileFault {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => FileFault::Mismatch,
        _ => FileFault::KeyKind,
    }
}

struct Digest(Context);

impl Digest {
    /// Lengths are part of it, so that no two inputs run together.
    fn add(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.0.update(&(part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }
}

/// The name, never the key.
impl fmt::Debug for UpstreamTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpstreamTls").field("name", &self.name).finish_non_exhaustive()
    }
}
