use super::*;

#[test]
fn room_goes_by_the_last_response_or_by_what_was_published_of_it() {
    let mut seen = fresh(&Spec::default());
    let spec = seen.resource.spec.clone().unwrap();
    let last = |seen: &Observed| {
        let expected = expected_response(seen, &spec, None);
        assert!(expected.is_none_or(|expected| !expected.is_only_copy));
        expected.and_then(|expected| expected.last)
    };
    assert_eq!(last(&seen), None);
    for (bytes, expected) in [(LARGE - 1, None), (300_000, Some(300_000))] {
        let written = grant(&seen, token(&"x".repeat(bytes), 3600), 0)
            .write
            .unwrap();
        seen.target = Some(applied(&written, seen.target.as_ref(), 5));
        assert_eq!(last(&seen), expected);
    }
    seen.memory.large_response = large(400_000);
    assert_eq!(last(&seen), Some(400_000));
    assert_eq!((large(0), large(LARGE - 1)), (0, 0));

    // A large Secret is held while the request is in flight.
    let mut seen = fresh(&Spec::default());
    let credentials = seen.credentials.as_mut().unwrap();
    let unused = ("unused".to_owned(), "x".repeat(800_000).as_str().into());
    credentials.data.extend([unused]);
    assert!(last(&seen).is_some_and(|bytes| (100_000..101_000).contains(&bytes)));
}
