use super::*;

#[test]
fn a_node_id_and_its_peer_id_are_one_key() {
    let secret = SecretKey::from_bytes([9; 32]);
    let peer = keypair(&secret).expect("a keypair").public().to_peer_id();
    assert_eq!(node_of_peer(&peer), Some(secret.node_id()));
    assert_eq!(peer_of_node(&secret.node_id()), Some(peer));
}

#[test]
fn only_plain_tcp_addresses_are_dialled() {
    let parse = |text: &str| address_of(&text.parse().expect("a multiaddr"));
    assert_eq!(parse("/ip4/10.0.0.1/tcp/8081"), "10.0.0.1:8081".parse().ok());
    assert_eq!(parse("/ip6/::1/tcp/1"), "[::1]:1".parse().ok());
    assert_eq!(parse("/ip4/10.0.0.1/udp/8081"), None);
    assert_eq!(parse("/ip4/0.0.0.0/tcp/8081"), None);
    assert_eq!(parse("/ip4/10.0.0.1/tcp/8081/ws"), None);
    assert_eq!(parse("/dns4/example.org/tcp/1"), None);
}
