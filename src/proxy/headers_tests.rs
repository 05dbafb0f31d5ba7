use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn cleaned(fields: &[(&str, &str)]) -> Result<Vec<String>, Reason> {
    let mut headers = map(fields);
    clean_request(&mut headers, &Identity::default(), false)?;
    Ok(headers.keys().map(|name| name.as_str().to_owned()).collect())
}

#[test]
fn p03_what_connection_lists_goes_before_anything_is_injected() {
    let kept = cleaned(&[("connection", "close, X-A"), ("x-a", "1"), ("x-b", "2")]);
    assert_eq!(kept.unwrap(), ["x-b"]);
    assert_eq!(cleaned(&[("connection", "x-a"), ("connection", "host")]), Err(Reason::BadRequest));
    assert_eq!(cleaned(&[("connection", "")]).unwrap(), [""; 0]);
}

#[test]
fn connection_may_list_as_many_options_as_its_limit() {
    for (count, fine) in [(MAX_OPTIONS - 1, true), (MAX_OPTIONS, true), (MAX_OPTIONS + 1, false)] {
        let listed: Vec<String> = (0..count).map(|n| format!("x-{n}")).collect();
        assert_eq!(cleaned(&[("connection", &listed.join(","))]).is_ok(), fine, "{count}");
    }
}

#[test]
fn p03_names_with_other_signs_are_read_as_servers_read_them() {
    for name in [
        "x_portcullis_user",
        "X.Portcullis.User",
        "x-portcullis+user",
        "x~portcullis`roles",
        "X_Forwarded_For",
        "x-original.url",
        "content_length",
        "content.type",
        "transfer_encoding",
        "x_real_ip",
        "x!api!key",
    ] {
        let kept = cleaned(&[(name, "1"), ("x_other.name", "1")]);
        assert_eq!(kept.unwrap(), ["x_other.name"], "{name}");
    }
}

#[test]
fn a_request_id_is_kept_up_to_its_limit() {
    let id = |text: &str| request_id(&map(&[("x-request-id", text)])).is_some();
    for (length, kept) in [
        (0, false),
        (1, true),
        (MAX_REQUEST_ID - 1, true),
        (MAX_REQUEST_ID, true),
        (MAX_REQUEST_ID + 1, false),
    ] {
        assert_eq!(id(&"a".repeat(length)), kept, "{length}");
    }
    assert!(!id("a b") && !id("a\"b") && !id("a,b"));
    assert_eq!(request_id(&map(&[("x-request-id", "a"), ("x-request-id", "a")])), None);
}

#[test]
fn traces_are_kept_only_if_well_formed() {
    let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert!(is_traceparent(good.as_bytes()));
    for bad in [
        "",
        &good[..54],
        &format!("{good}-"),
        &good.replacen("00", "01", 1),
        &good.to_uppercase(),
        &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
        &good.replace("00f067aa0ba902b7", &"0".repeat(16)),
        &good.replace('-', "_"),
    ] {
        assert!(!is_traceparent(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn ids_that_are_no_plain_text_are_percent_encoded() {
    for (id, told) in [("eng", "eng"), ("a b,c%", "a%20b%2Cc%25"), ("é\n", "%C3%A9%0A")] {
        assert_eq!(encoded(id).unwrap(), told);
    }
}

#[test]
fn a_client_is_told_in_both_dialects() {
    let host = HeaderValue::from_static("[::1]:8080");
    let told = Forwarded::new(Some("2001:db8::1".parse().unwrap()), &host, false).unwrap();
    assert_eq!(
        std::str::from_utf8(&told.fields).unwrap(),
        "x-forwarded-for: 2001:db8::1\r\nx-real-ip: 2001:db8::1\r\n\
         x-forwarded-host: [::1]:8080\r\nx-forwarded-proto: http\r\n\
         forwarded: for=\"[2001:db8::1]\";host=\"[::1]:8080\";proto=http\r\n"
    );
    let told = Forwarded::new(None, &host, true).unwrap();
    assert_eq!(
        std::str::from_utf8(&told.fields).unwrap(),
        "x-forwarded-host: [::1]:8080\r\nx-forwarded-proto: https\r\n\
         forwarded: for=_unix;host=\"[::1]:8080\";proto=https\r\n"
    );
}

#[test]
fn only_the_first_sixteen_digits_of_a_digest_are_told() {
    assert_eq!(short("sha256:0123456789abcdef0123"), "0123456789abcdef");
    assert_eq!(short("sha256:01"), "01");
}

/// What is taken out of every request, or said anew, no policy can read an address from or set.
#[test]
fn p03_names_that_are_ours_are_reserved() {
    let source = include_str!("headers.rs");
    let of = |name: &str| source.split(name).nth(1).unwrap().split("\n}").next().unwrap();
    let lists = [
        of("fn is_ours("),
        of("fn is_hop_by_hop("),
        of("fn must_not_be_listed("),
        of("fn write_told("),
    ];
    let quoted = lists.iter().flat_map(|text| text.split('"').skip(1).step_by(2));
    // One that ends in `-` is a prefix.
    let whole = |name: &str| if name.ends_with('-') { format!("{name}x") } else { name.to_owned() };
    let names: Vec<_> = quoted.map(|name| HeaderName::try_from(whole(name)).unwrap()).collect();
    assert!(names.len() > 40, "{names:?}");
    let said = [TRACEPARENT, TRACESTATE, X_REQUEST_ID, header::FORWARDED, header::ACCEPT];
    for name in names.iter().chain(&said) {
        assert!(crate::policy::header::is_reserved(name), "{name}");
    }
}
