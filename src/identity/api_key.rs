//! API keys. A policy holds their digests; the keys themselves are known to their owners alone.

use super::Fault;
use super::verdicts::Digest;
use crate::principal::Principal;
use aws_lc_rs::constant_time;
use http::HeaderName;
use std::collections::HashMap;
use std::sync::Arc;

/// The header that carries a key where the policy names no other.
pub const DEFAULT_HEADER: &str = "x-api-key";

/// The keys of one policy and where they may stand.
#[derive(Debug)]
pub(super) struct ApiKeys {
    /// The header that carries a key, if one may.
    pub(super) header: Option<HeaderName>,
    /// Whether `Authorization: Bearer` may carry a key.
    pub(super) bearer: bool,
    /// Whether the user name of `Authorization: Basic` may be a key.
    pub(super) basic: bool,
    /// By the first eight bytes of the digest; the whole is compared in constant time.
    keys: HashMap<[u8; 8], Vec<ApiKey>>,
}

#[derive(Debug)]
struct ApiKey {
    sha256: Digest,
    principal: Arc<Principal>,
}

impl ApiKeys {
    /// No keys yet.
    pub(super) fn new(header: Option<HeaderName>, bearer: bool, basic: bool) -> ApiKeys {
        ApiKeys { header, bearer, basic, keys: HashMap::new() }
    }

    /// Adds a key by its digest. Its caller's `expires` is the key's.
    pub(super) fn add(&mut self, sha256: Digest, principal: Principal) {
        let key = ApiKey { sha256, principal: Arc::new(principal) };
        self.keys.entry(prefix(&sha256)).or_default().push(key);
    }

    /// The caller whose key has this digest.
    pub(super) fn find(&self, presented: &Digest, now: u64) -> Result<Arc<Principal>, Fault> {
        let near = self.keys.get(&prefix(presented)).map_or(&[][..], Vec::as_slice);
        let same =
            |key: &&ApiKey| constant_time::verify_slices_are_equal(&key.sha256, presented).is_ok();
        let key = near.iter().find(same).ok_or(Fault::UnknownKey)?;
        match key.principal.expires {
            Some(end) if now >= end => Err(Fault::ExpiredKey { ago: now - end }),
            _ => Ok(key.principal.clone()),
        }
    }
}

fn prefix(digest: &Digest) -> [u8; 8] {
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::AuthMethod;

    fn keys(digests: &[(Digest, &str)]) -> ApiKeys {
        let mut keys = ApiKeys::new(None, true, false);
        for (digest, user) in digests {
            keys.add(*digest, Principal::of(*user, AuthMethod::ApiKey));
        }
        keys
    }

    #[test]
    fn p08_the_whole_digest_must_match() {
        let (mut a, mut b) = ([7; 32], [7; 32]);
        (a[31], b[31]) = (1, 2);
        let keys = keys(&[(a, "ann"), (b, "bob")]);
        assert_eq!(&*keys.find(&a, 0).unwrap().user, "ann");
        assert_eq!(&*keys.find(&b, 0).unwrap().user, "bob");
        assert_eq!(keys.find(&[7; 32], 0), Err(Fault::UnknownKey));
        assert_eq!(keys.find(&[8; 32], 0), Err(Fault::UnknownKey));
    }

    /// No test can time it; this one holds the source to the one way to compare.
    #[test]
    fn p08_digests_are_compared_in_constant_time() {
        let source = include_str!("api_key.rs").split("#[cfg(test)]").next().unwrap();
        assert_eq!(source.matches("constant_time::verify_slices_are_equal").count(), 1);
        assert_eq!(source.matches("sha256 ==").count() + source.matches("== presented").count(), 0);
    }

    #[test]
    fn p08_a_key_expires() {
        let mut keys = ApiKeys::new(None, true, false);
        let ann = Principal::of("ann", AuthMethod::ApiKey);
        keys.add([1; 32], Principal { expires: Some(100), ..ann });
        assert!(keys.find(&[1; 32], 99).is_ok());
        assert_eq!(keys.find(&[1; 32], 100), Err(Fault::ExpiredKey { ago: 0 }));
        assert_eq!(keys.find(&[1; 32], 101), Err(Fault::ExpiredKey { ago: 1 }));
    }
}
