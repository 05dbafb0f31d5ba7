//! gRPC through the proxy.

/// One caller with the key `key`, from whom `/ssn` of `/a` is hidden.
pub(super) const HIDES: &str = "identity:
  api_keys:
    keys:
      - {user: eng, roles: [r], sha256: 2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683}
roles:
  - {id: r, grants: [{path: \"/**\", access: crud}], schemas: [s]}
schemas:
  - {id: s, type: t, body: {type: object, additionalProperties: true, properties: {ssn: false}}}
resource_types:
  - {id: t, at: [{path: \"/a\", pointer: \"\"}, {path: \"/pkg.Service/Get\", pointer: \"\"}]}
";
