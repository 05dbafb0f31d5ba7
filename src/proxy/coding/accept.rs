//! Which coding a client would like best (RFC 9110 section 12.5.3).

use super::Coding;
use http::header::{self, HeaderMap};

/// How much a client likes each coding that can be written, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::proxy) struct Accepts {
    gzip: u16,
    brotli: u16,
    zstd: u16,
    /// 0 where nothing is said of it: then any of the others goes before it.
    identity: u16,
}

impl Accepts {
    /// What Accept-Encoding says. Without it, or where it says nothing that can be understood,
    /// nothing is encoded.
    pub(in crate::proxy) fn read(headers: &HeaderMap) -> Accepts {
        let mut accepts = Accepts::default();
        let (mut named, mut others) = (Vec::new(), None);
        for value in headers.get_all(header::ACCEPT_ENCODING) {
            let members = value.to_str().unwrap_or_default().split(',');
            for (name, weight) in members.filter_map(member) {
                match accepts.weight(name) {
                    Some(known) => *known = weight,
                    None if name == "*" => others = Some(weight),
                    None => continue,
                }
                named.push(name);
            }
        }
        if let Some(weight) = others {
            for name in ["gzip", "br", "zstd"] {
                let said = named.iter().any(|said| is_same(said, name));
                accepts
                    .weight(name)
                    .into_iter()
                    .filter(|_| !said)
                    .for_each(|known| *known = weight);
            }
        }
        accepts
    }

    /// The coding for a body that came as `was`; `None` where the client gets it without one.
    pub(in crate::proxy) fn best(self, was: Coding) -> Option<Coding> {
        let known =
            [(self.zstd, Coding::Zstd), (self.brotli, Coding::Brotli), (self.gzip, Coding::Gzip)];
        let most = known.iter().map(|(weight, _)| *weight).max()?;
        if most == 0 || self.identity > most {
            return None;
        }
        let liked =
            || known.iter().filter(|(weight, _)| *weight == most).map(|(_, coding)| *coding);
        liked().find(|coding| *coding == was).or_else(|| liked().next())
    }

    fn weight(&mut self, name: &str) -> Option<&mut u16> {
        Some(match () {
            () if is_same(name, "gzip") => &mut self.gzip,
            () if is_same(name, "br") => &mut self.brotli,
            () if is_same(name, "zstd") => &mut self.zstd,
            () if is_same(name, "identity") => &mut self.identity,
            () => return None,
        })
    }
}

fn is_same(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known) || known == "gzip" && name.eq_ignore_ascii_case("x-gzip")
}

/// A coding and its weight; `None` where that is none.
fn member(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
    let name = parts.next().filter(|name| !name.is_empty())?;
    let Some(parameter) = parts.next() else { return Some((name, 1_000)) };
    let (q, value) = parameter.split_once('=')?;
    let alone = parts.next().is_none() && q.eq_ignore_ascii_case("q");
    if alone { Some((name, thousandths(value)?)) } else { None }
}

/// `0`, `0.5`, `1.000` (RFC 9110 section 12.4.2).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    if rest.len() > 3 || !rest.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = format!("{rest:0<3}").parse().ok()?;
    match (whole, part) {
        ("0", part) => Some(part),
        ("1", 0) => Some(1_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn best(accept: &[&str], was: Coding) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        Accepts::read(&headers).best(was)
    }

    #[test]
    fn p11_the_client_gets_what_it_likes_best() {
        for (accept, chosen) in [
            ("gzip", Some(Coding::Gzip)),
            ("X-GZIP", Some(Coding::Gzip)),
            ("br;q=0.9, gzip;q=0.8, zstd;q=0.7", Some(Coding::Brotli)),
            ("br ; q=0.1 ,zstd;Q=0.2", Some(Coding::Zstd)),
            ("gzip;q=0.001", Some(Coding::Gzip)),
            ("identity;q=0.5, gzip;q=1.0", Some(Coding::Gzip)),
            ("identity;q=0, br;q=0.1", Some(Coding::Brotli)),
            ("*", Some(Coding::Gzip)),
            ("*;q=0.5, gzip;q=0", Some(Coding::Zstd)),
            ("gzip;q=0, *", Some(Coding::Zstd)),
            ("compress, br", Some(Coding::Brotli)),
        ] {
            assert_eq!(best(&[accept], Coding::Gzip), chosen, "{accept}");
        }
    }

    #[test]
    fn p11_who_accepts_no_coding_gets_none() {
        for accept in [
            "",
            "identity",
            "deflate",
            "compress",
            "gzip;q=0",
            "*;q=0",
            "identity, gzip;q=0.5",
            "gzip;q=2",
            "gzip;q=1.001",
            "gzip;q=0.1234",
            "gzip;q=-1",
            "gzip;q",
            "gzip;level=9",
            "gzip;q=1;q=1",
            "gzipped",
        ] {
            assert_eq!(best(&[accept], Coding::Gzip), None, "{accept}");
        }
        assert_eq!(best(&[], Coding::Gzip), None);
    }

    #[test]
    fn among_equals_the_coding_that_it_had_goes_first() {
        let all = ["gzip, br", "zstd"];
        for was in [Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            assert_eq!(best(&all, was), Some(was));
        }
        assert_eq!(best(&all, Coding::Deflate), Some(Coding::Zstd));
        assert_eq!(best(&["gzip, br"], Coding::Zstd), Some(Coding::Brotli));
    }
}
