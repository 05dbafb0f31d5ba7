//! Who issues credentials.

use super::{Row, may, must};
use crate::policy::bind::identity::{
    CLAIMS, FORWARDED, IDENTITY, JWKS, JWT, MAX_LEEWAY, PEM, ROLE_ITEMS, SECRET,
};
use crate::policy::bind::keys::{API_KEY, API_KEYS, CARRIERS};
use crate::policy::bind::kinds::Kind::*;
use crate::policy::bind::mtls::{MTLS, NAMED, TRUST_DOMAIN};
use crate::policy::bind::remote::{CLIENT, INTROSPECTION, MAX_CONCURRENCY};
use crate::policy::bind::tell::{ASSERTION, SIGNING_KEY, TELL, TOLD};

pub(super) const ROWS: &[Row] = &[
    (
        &IDENTITY,
        "Who issues credentials",
        &[
            may("jwt", Many(&JWT), "Issuers of signed tokens, taken from `Authorization: Bearer`"),
            may("api_keys", One(&API_KEYS), "Long random keys, of which the policy holds digests"),
            may("mtls", One(&MTLS), "Client certificates, on listeners that speak TLS"),
            may(
                "forwarded",
                One(&FORWARDED),
                "Headers from a proxy that has authenticated the caller",
            ),
            may(
                "introspection",
                Many(&INTROSPECTION),
                "Issuers of opaque tokens, who are asked about them (RFC 7662)",
            ),
            may(
                "same_users",
                Flag,
                "Authenticators that can yield the same id mean the same person",
            ),
            may("tell", One(&TELL), "What upstreams are told of callers"),
        ],
    ),
    (
        &TELL,
        "What upstreams are told of callers",
        &[
            may("headers", One(&TOLD), "Other names of the headers"),
            may("assertion", One(&ASSERTION), "A signed token, in place of the headers"),
        ],
    ),
    (
        &TOLD,
        "Names of the headers that say who is calling; written beside `assertion`, both are sent",
        &[
            may("user", Text, "`X-Portcullis-User`"),
            may("org", Text, "`X-Portcullis-Org`"),
            may("app", Text, "`X-Portcullis-App`"),
            may("roles", Text, "`X-Portcullis-Roles`"),
            may("policy", Text, "`X-Portcullis-Policy`"),
        ],
    ),
    (
        &ASSERTION,
        "A signed token that says who is calling",
        &[
            must(
                "header",
                Text,
                "The header that carries it; in `Authorization` it is a bearer token",
            ),
            must("keys", Many(&SIGNING_KEY), "Private keys, newest first: that one signs"),
            may("algorithm", Word(&["ES256", "EdDSA", "RS256"]), "What the keys are for; `ES256`"),
            may("issuer", Text, "Its `iss`; `portcullis`"),
            may("audience", Text, "Its `aud`; the upstream's id"),
            may("ttl", Text, "How long it is good, `5s` to `1h`; `60s`"),
        ],
    ),
    (
        &SIGNING_KEY,
        "A private key of ours",
        &[must("file", Text, "A PEM file (PKCS#8), from the policy's folder")],
    ),
    (
        &JWT,
        "An issuer of signed tokens, with one of `jwks`, `pem` and `secrets`",
        &[
            must("issuer", Text, "The exact `iss`"),
            must("audience", Texts, "The token's `aud` must name one of these"),
            must(
                "algorithms",
                Texts,
                "The token's must be one of these and fit the key: `ES256`, `RS256`, `EdDSA`, `HS256`…",
            ),
            may("jwks", One(&JWKS), "The key set"),
            may("pem", One(&PEM), "Instead of a key set: public keys without names"),
            may(
                "secrets",
                Many(&SECRET),
                "For HMAC, oldest last; at least 32 bytes each, used byte for byte",
            ),
            may("claims", One(&CLAIMS), "Where the token names the user, its roles and so on"),
            may("leeway", Whole(0, MAX_LEEWAY), "Seconds of clock skew that are forgiven; 60"),
            may(
                "prefix",
                Text,
                "Put before user ids, so that two authenticators cannot mean different people by one id",
            ),
            may("typ", Word(&["at+jwt"]), "Only access tokens of RFC 9068"),
            may("cookie", Text, "A cookie in which browsers bring its tokens as well"),
            may(
                "origins",
                Texts,
                "Pages that may change something by that cookie, `https://app.example`; those of the host that is asked",
            ),
        ],
    ),
    (
        &JWKS,
        "A key set, from a file or from a URL",
        &[
            may("file", Text, "A file, from the policy's folder"),
            may(
                "url",
                Text,
                "Where it is fetched: `https://`, or `http://` to a loopback address; no redirects",
            ),
            may("ca", Text, "A file with the certificates that vouch for the server; the system's"),
            may("refresh", Text, "How often it is fetched again: `10m`"),
            may(
                "cool_down",
                Text,
                "The least time between fetches that unknown keys ask for: `30s`",
            ),
            may("max_stale", Text, "How old it may get while it cannot be fetched: `24h`"),
            may("max_bytes", Size, "The longest answer that is read: `1MiB`"),
            may("timeout", Text, "How long a fetch may take: `5s`"),
        ],
    ),
    (
        &PEM,
        "Public keys without names",
        &[must("file", Text, "A file with `PUBLIC KEY` blocks, from the policy's folder")],
    ),
    (
        &SECRET,
        "A shared secret, from one source",
        &[
            may("file", Text, "A file, from the policy's folder, used byte for byte"),
            may("env", Text, "A variable of the environment"),
        ],
    ),
    (
        &CLAIMS,
        "Where a token says what: a claim's name, a JSON pointer, or a list of them",
        &[
            may("user", TextOrTexts, "The user's id; `sub`"),
            may("org", TextOrTexts, "The organization in which the token acts alone"),
            may("app", TextOrTexts, "The application in which the token acts alone"),
            may(
                "roles",
                TextOrOne(&ROLE_ITEMS),
                "Roles: a list, or a text with spaces. `{org}` in a pointer is the addressed organization",
            ),
            may("email", TextOrTexts, "The user's address"),
            may("map", Claims, "Names of roles in tokens, and the ids that they have here"),
        ],
    ),
    (
        &ROLE_ITEMS,
        "A list in a token that has roles for each organization",
        &[
            must("items", Text, "Where the list is"),
            must("key", Text, "Where an element names its organization"),
            must("value", Text, "Where it has the roles"),
        ],
    ),
    (
        &INTROSPECTION,
        "An issuer that is asked about opaque tokens (RFC 7662)",
        &[
            must("url", Text, "Where: `https://`, or `http://` to a loopback address"),
            may("ca", Text, "A file with the certificates that vouch for the server; the system's"),
            must("client", One(&CLIENT), "As whom"),
            may("tokens", Text, "How its tokens begin; without it, every opaque token is meant"),
            may("issuer", Text, "The exact `iss` that the answer must have"),
            may("audience", Texts, "The answer's `aud` must name one of these"),
            may("claims", One(&CLAIMS), "Where the answer names the user, its roles and so on"),
            may("prefix", Text, "Put before user ids"),
            may("cache", Text, "How long a good answer is believed, at most until `exp`: `60s`"),
            may("negative", Text, "How long a refusal is: `10s`"),
            may("timeout", Text, "How long an answer may take: `2s`"),
            may("concurrency", Whole(1, MAX_CONCURRENCY), "Questions at a time; 16"),
        ],
    ),
    (
        &CLIENT,
        "A client of an issuer",
        &[
            must("id", Text, "Its id"),
            must("secret", One(&SECRET), "Its secret, used byte for byte"),
        ],
    ),
    (
        &API_KEYS,
        "Long random keys, of which the policy holds digests",
        &[
            may(
                "in",
                Words(&CARRIERS),
                "Where a key stands; `header`. With `basic` it is the user name, without a password",
            ),
            may("header", Text, "The name of the header; `X-Api-Key`"),
            may("prefix", Text, "Put before user ids"),
            must("keys", Many(&API_KEY), "The keys"),
        ],
    ),
    (
        &API_KEY,
        "A key: its digest, and whom it stands for",
        &[
            must("user", Text, "The user's id"),
            may("org", Text, "The organization in which the key acts alone"),
            may("app", Text, "The application in which the key acts alone"),
            must(
                "sha256",
                Matching("^[0-9a-f]{64}$"),
                "SHA-256 of the key, 64 lower-case hexadecimal digits",
            ),
            may(
                "roles",
                Texts,
                "The roles that it has; where members are listed, those that it keeps",
            ),
            may("claims", Claims, "Claims that it brings"),
            may("expires", Time, "Until when it counts, in UTC: `2027-01-01T00:00:00Z`"),
        ],
    ),
    (
        &MTLS,
        "Client certificates that say who is calling",
        &[
            may("trust_domains", Many(&TRUST_DOMAIN), "SPIFFE trust domains"),
            may("certificates", Many(&NAMED), "Authorities of certificates with other names"),
        ],
    ),
    (
        &TRUST_DOMAIN,
        "A SPIFFE trust domain and who speaks for it",
        &[
            must("name", Text, "Its name: `acme.test`"),
            must("bundle", Text, "A file of its authorities in PEM, from the policy's folder"),
            may(
                "paths",
                TextOrTexts,
                "What paths say: `/org/{org}/app/{app}/sa/{user}`; without it, the whole ID is the user",
            ),
            may("prefix", Text, "Put before user ids"),
        ],
    ),
    (
        &NAMED,
        "Authorities whose certificates name their holder by a DNS name or an address",
        &[
            must("ca", Text, "A file of authorities in PEM, from the policy's folder"),
            must("from", Word(&["dns", "email"]), "Which of the certificate's names is the user"),
            may("prefix", Text, "Put before user ids"),
        ],
    ),
    (
        &FORWARDED,
        "Headers from a proxy that has authenticated the caller",
        &[
            must("peers", Texts, "Who is believed: addresses, CIDR blocks, or `unix`"),
            must("user", Text, "The header that names the user"),
            may("org", Text, "The header that names the organization"),
            may("app", Text, "The header that names the application"),
            may("roles", Text, "The header that lists roles"),
            may("email", Text, "The header that has the user's address"),
            may("prefix", Text, "Put before user ids"),
        ],
    ),
];
