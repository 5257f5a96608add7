//! Responses that must not be lost find room, however much else of their namespace is held.

use super::*;
use oauthclient_operator::tenant;

const LARGE: usize = 300 << 10;

/// A provider whose tokens are large.
fn verbose() -> Provider {
    let mut behaviour = Behaviour::default();
    behaviour.tokens.length = LARGE;
    plain(behaviour)
}

#[tokio::test]
async fn the_response_to_a_redeemed_refresh_token_is_read_though_its_namespace_has_no_room() {
    let provider = verbose();
    let sender = sender(local());
    let ask = async {
        let small = sender.set_room_aside(Some(1_000), true).await.unwrap();
        let _full = [
            sender.set_room_aside(None, true).await.unwrap(),
            sender.set_room_aside(Some(490_000), true).await.unwrap(),
        ];
        let [_, (held, waiting), _] = sender.usage();
        assert!(held > (8 << 20) - LARGE && waiting == 0, "{held}");
        let request = request(&provider.url(PATH));
        let authorized = authorized(&request);
        let route = within(PATIENCE);
        let sent = sender.send_counted(&authorized, &route, Some(small));
        let (answer, room) = sent.await.unwrap();
        assert!(answer.body.len() > LARGE);
        let [_, (more, _), rescues] = sender.usage();
        assert!(more >= held + LARGE, "what is read counts: {more}");
        assert_eq!(rescues, (1, 0));
        drop(room);
        assert_eq!(sender.usage()[2], (0, 0));
    };
    tenant::serve("shop", ask).await;
    assert_eq!(sender.usage()[1], (0, 0), "all is given back");
}

#[tokio::test]
async fn a_response_that_fits_takes_no_more_than_it_needs() {
    let provider = verbose();
    let sender = sender(local());
    let room = sender.set_room_aside(None, true).await;
    assert_eq!(sender.usage()[1].0, 4 << 20);
    let request = request(&provider.url(PATH));
    let authorized = authorized(&request);
    let route = within(PATIENCE);
    let sent = sender.send_counted(&authorized, &route, room);
    let (answer, room) = sent.await.unwrap();
    let held = sender.usage()[1].0;
    let body = answer.body.len();
    assert!((4 * body..8 * body).contains(&held), "{held} for {body}");
    drop(room);
    assert_eq!(sender.usage()[1], (0, 0));
}
