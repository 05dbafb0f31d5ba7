//! Cookies of issuers, and the pages that may use them.

use super::Compiler;
use crate::identity::cookie::Cookie;
use crate::policy::cors::Origin;
use crate::policy::raw::{RawJwt, Text};

impl Compiler<'_> {
    pub(super) fn cookies(&mut self, all: &[RawJwt]) -> Vec<Cookie> {
        all.iter().filter_map(|raw| self.cookie(raw)).collect()
    }

    fn cookie(&mut self, raw: &RawJwt) -> Option<Cookie> {
        let Some(name) = &raw.cookie else {
            if let Some(first) = raw.origins.first() {
                let message = "`origins` says which pages may use a cookie, and there is none";
                self.error(first.span, message.into(), "add `cookie`, or take `origins` out");
            }
            return None;
        };
        if !is_token(&name.value) {
            let message = format!("`{}` is not a cookie's name", name.value);
            let help = "letters, digits, `-` and `_`: `session`, `__Host-session`";
            self.error(name.span, message, help);
        }
        let origins = raw.origins.iter().filter_map(|typed| self.origin(typed)).collect();
        let iss = raw.issuer.value.as_str().into();
        Some(Cookie { name: name.value.as_str().into(), iss, origins })
    }

    fn origin(&mut self, typed: &Text) -> Option<Origin> {
        let origin = Origin::parse(&typed.value);
        if let Err(fault) = &origin {
            let message = format!("`{}` is not the origin of a page: {fault}", typed.value);
            let help = "a scheme, a host and perhaps a port: `https://app.example`";
            self.error(typed.span, message, help);
        }
        origin.ok()
    }
}

/// RFC 6265 section 4.1.1: a token of RFC 9110 section 5.6.2.
fn is_token(name: &str) -> bool {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(sign)
}
