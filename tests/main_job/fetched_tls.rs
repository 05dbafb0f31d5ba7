//! Keys over TLS: the server's certificate is verified, always.

use super::Api;
use super::fetched::{policy, readiness, status};
use super::keys::{Signer, jwks};
use crate::support::upstream::json_response;
use crate::support::{TempPolicy, Upstream};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// An authority and a server with a certificate of it for this name.
struct Server {
    address: SocketAddr,
    ca: String,
}

/// Serves one answer to whoever completes a handshake, for as long as the process lives.
fn serve(name: &str, answer: Vec<u8>) -> Server {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &ca).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(config);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            // A handshake that fails is what some tests are about.
            let _refused = answer_one(stream, config.clone(), &answer);
        }
    });
    Server { address, ca: ca.pem() }
}

fn answer_one(stream: TcpStream, config: Arc<ServerConfig>, answer: &[u8]) -> std::io::Result<()> {
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece)? {
            0 => return Ok(()),
            read => head.extend_from_slice(&piece[..read]),
        }
    }
    stream.write_all(answer)?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn start(server: &Server, ca: &str) -> Api {
    let url = format!("https://localhost:{}/jwks", server.address.port());
    let policy = TempPolicy::file(&policy(&url, ", ca: ca/issuer.pem, refresh: 1h, cool_down: 1h"));
    std::fs::create_dir(policy.join("ca")).unwrap();
    std::fs::write(policy.join("ca/issuer.pem"), ca).unwrap();
    Api::with(Upstream::json("{}"), policy)
}

#[test]
fn p07_keys_come_over_tls_from_a_server_that_the_ca_vouches_for() {
    let signer = Signer::p256("k");
    let server = serve("localhost", json_response(200, &jwks(&[&signer])));
    let api = start(&server, &server.ca);
    readiness(&api, true);
    assert_eq!(status(&api, &signer), 200);
}

#[test]
fn p06_p07_another_authority_or_another_name_is_not_believed() {
    let signer = Signer::p256("k");
    let answer = json_response(200, &jwks(&[&signer]));
    let (good, other) = (serve("localhost", answer.clone()), serve("other.example", answer));
    for (server, ca, why) in [
        (&good, &other.ca, "invalid peer certificate"),
        (&other, &other.ca, "certificate not valid for name"),
    ] {
        let api = start(server, ca);
        let line = api.proxy.wait_for_line("keys cannot be fetched");
        assert!(line.contains(why), "{line}");
        assert_eq!(status(&api, &signer), 401);
        assert!(readiness(&api, false).starts_with("not ready: no keys"));
    }
}
