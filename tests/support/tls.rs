//! TLS for tests: authorities that sign anything, and the two ends that speak TLS for tools that do
//! not. Bytes pass between a plain and a TLS connection on a thread of its own.

use super::DEADLINE;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub pem: String,
}

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    pub cert: String,
    pub key: String,
}

/// A client that speaks TLS, and what it knows of the server.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// What is said before the handshake.
    first: Vec<u8>,
}

/// What a handshake has come to.
#[derive(Debug)]
pub struct Shaken {
    pub resumed: bool,
    /// Whether data could go with the client's first flight.
    pub early: bool,
    pub alpn: Option<String>,
    pub version: rustls::ProtocolVersion,
    /// The server's certificate.
    pub leaf: Vec<u8>,
    /// What came back for the request.
    pub answer: String,
    /// Whether the end came without being announced (close_notify).
    pub cut: bool,
}

/// A thread that carries bytes between plain and TLS connections until it is dropped.
#[derive(Debug)]
pub struct Bridge {
    /// Where to connect to.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// What a TLS server has seen of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The name that the client asked for, or why there was no handshake.
    pub name: Result<Option<String>, String>,
    /// Certificates that the client has shown.
    pub certificates: usize,
    pub resumed: bool,
}

impl Authority {
    /// One that calls itself so.
    pub fn new(name: &str) -> Authority {
        Authority::with(name, |_| {})
    }

    /// One whose certificate is changed by `change`.
    pub fn with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue(|params| {
            params.subject_alt_names = names.iter().map(|name| san(name)).collect();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        })
    }

    /// A client's certificate with this URI.
    pub fn client(&self, uri: &str) -> Issued {
        self.client_with(&[SanType::URI(uri.try_into().expect("ASCII"))], |_| {})
    }

    /// A client's certificate with these names, changed by `change`.
    pub fn client_with(
        &self,
        names: &[SanType],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        self.issue(|params| {
            params.subject_alt_names = names.to_vec();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            change(params);
        })
    }

    fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::default();
        // A common name that must never be taken for anything.
        params.distinguished_name.push(DnType::CommonName, "admin");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate");
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// The certificate's bytes.
    pub fn der(&self) -> Vec<u8> {
        CertificateDer::from_pem_slice(self.cert.as_bytes()).expect("PEM").to_vec()
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        let all = CertificateDer::pem_slice_iter(self.cert.as_bytes());
        all.map(|one| one.expect("PEM")).collect()
    }

    fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("PEM")
    }
}

impl TlsClient {
    /// Trusts this authority and expects this name.
    pub fn new(trusted: &Authority, name: &str) -> TlsClient {
        TlsClient::build(trusted, name, None, rustls::ALL_VERSIONS)
    }

    /// The same, showing a certificate.
    pub fn showing(trusted: &Authority, name: &str, shown: &Issued) -> TlsClient {
        TlsClient::build(trusted, name, Some(shown), rustls::ALL_VERSIONS)
    }

    /// The same, speaking these versions alone.
    pub fn build(
        trusted: &Authority,
        name: &str,
        shown: Option<&Issued>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> TlsClient {
        let roots = roots(trusted);
        let verifier = WebPkiServerVerifier::builder(Arc::new(roots)).build().expect("roots");
        let config =
            ClientConfig::builder_with_protocol_versions(versions).with_webpki_verifier(verifier);
        let config = match shown {
            Some(shown) => config.with_client_auth_cert(shown.chain(), shown.private()),
            None => Ok(config.with_no_client_auth()),
        };
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsClient { config: Arc::new(config.expect("a client")), name, first: Vec::new() }
    }

    /// The same, offering these protocols.
    #[must_use]
    pub fn offering(mut self, protocols: &[&str]) -> TlsClient {
        let config = Arc::make_mut(&mut self.config);
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// The same, sending data with its first flight (0-RTT) where the server lets it.
    #[must_use]
    pub fn eager(mut self) -> TlsClient {
        Arc::make_mut(&mut self.config).enable_early_data = true;
        self
    }

    /// The same, saying this in clear before the handshake.
    #[must_use]
    pub fn after(self, first: impl Into<Vec<u8>>) -> TlsClient {
        TlsClient { first: first.into(), ..self }
    }

    /// The same, telling the server no name.
    #[must_use]
    pub fn nameless(mut self) -> TlsClient {
        Arc::make_mut(&mut self.config).enable_sni = false;
        self
    }

    /// One connection: a handshake, one request, everything that comes until the server closes.
    pub fn ask(&self, to: SocketAddr, request: &str) -> io::Result<Shaken> {
        let mut socket = std::net::TcpStream::connect(to)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        socket.write_all(&self.first)?;
        let mut tls = ClientConnection::new(self.config.clone(), self.name.clone())
            .map_err(io::Error::other)?;
        let early = tls.early_data().is_some();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let cut = match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => true,
            read => read.map(|_| false)?,
        };
        Ok(Shaken {
            resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
            early,
            alpn: tls.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            version: tls.protocol_version().expect("a version"),
            leaf: tls.peer_certificates().map_or(Vec::new(), |chain| chain[0].to_vec()),
            answer: String::from_utf8_lossy(&answer).into_owned(),
            cut,
        })
    }

    /// A place to connect to in clear, from where it goes on to `to` under TLS. A connection whose
    /// handshake fails is closed.
    pub fn bridge(&self, to: SocketAddr) -> Bridge {
        let this = self.clone();
        Bridge::start(move |mut near| {
            let this = this.clone();
            async move {
                let far = TcpStream::connect(to).await?;
                let connector = tokio_rustls::TlsConnector::from(this.config);
                let mut far = connector.connect(this.name, far).await?;
                copy_bidirectional(&mut near, &mut far).await.map(|_| None)
            }
        })
    }
}

impl Bridge {
    /// A TLS server that shows this certificate and hands everything on to `to` in clear. With
    /// `clients`, clients must show a certificate of that authority.
    pub fn server(shown: &Issued, clients: Option<&Authority>, to: SocketAddr) -> Bridge {
        Bridge::server_with(shown, clients, to, |_| {})
    }

    /// The same, whose configuration is changed by `change`.
    pub fn server_with(
        shown: &Issued,
        clients: Option<&Authority>,
        to: SocketAddr,
        change: impl FnOnce(&mut ServerConfig),
    ) -> Bridge {
        let config = ServerConfig::builder();
        let config = match clients {
            Some(clients) => config.with_client_cert_verifier(
                WebPkiClientVerifier::builder(Arc::new(roots(clients))).build().expect("roots"),
            ),
            None => config.with_no_client_auth(),
        };
        let mut config =
            config.with_single_cert(shown.chain(), shown.private()).expect("a certificate");
        change(&mut config);
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        Bridge::start(move |near| {
            let acceptor = acceptor.clone();
            async move {
                let mut near = acceptor.accept(near).await?;
                let tls = near.get_ref().1;
                let seen = Seen {
                    name: Ok(tls.server_name().map(str::to_owned)),
                    certificates: tls.peer_certificates().map_or(0, <[_]>::len),
                    resumed: tls.handshake_kind() == Some(HandshakeKind::Resumed),
                };
                let mut far = TcpStream::connect(to).await?;
                // Who breaks off does so on both sides.
                let _broken = copy_bidirectional(&mut near, &mut far).await;
                Ok(Some(seen))
            }
        })
    }

    /// Connections that are over, as a server has seen them.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn start<F>(carry: impl Fn(TcpStream) -> F + Send + 'static) -> Bridge
    where
        F: Future<Output = io::Result<Option<Seen>>> + Send + 'static,
    {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let kept = seen.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::from_std(listener).expect("a socket");
                let mut carried = JoinSet::new();
                loop {
                    let near = tokio::select! {
                        accepted = listener.accept() => accepted.expect("a connection").0,
                        _ = &mut stopped => return,
                    };
                    near.set_nodelay(true).expect("a socket");
                    let (carrying, kept) = (carry(near), kept.clone());
                    carried.spawn(async move {
                        let ended = carrying.await.unwrap_or_else(|error| {
                            let name = Err(error.to_string());
                            Some(Seen { name, certificates: 0, resumed: false })
                        });
                        kept.lock().unwrap().extend(ended);
                    });
                }
            });
        });
        Bridge { address, seen, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ended_already = self.stop.take().map(|stop| stop.send(()));
        let _panicked_already_reported = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// A name, an address or a URI, as a subject alternative name.
fn san(name: &str) -> SanType {
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().expect("ASCII")),
    }
}

fn roots(trusted: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let der = CertificateDer::from_pem_slice(trusted.pem.as_bytes()).expect("PEM");
    roots.add(der).expect("an authority");
    roots
}
