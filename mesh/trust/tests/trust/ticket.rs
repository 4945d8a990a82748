use crate::fixture::*;
use orbweave_model::Wall;
use orbweave_trust::*;

#[test]
fn a_ticket_comes_back_from_its_text() {
    let ticket = World::new().ticket();
    let text = ticket.to_string();
    assert!(text.starts_with("ow1") && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    assert_eq!(text.parse(), Ok(ticket.clone()));
    assert_eq!(format!("  {text}\n").parse(), Ok(ticket), "a copy may bring white space");
}

#[test]
fn a_damaged_ticket_says_so_and_something_else_is_told_apart() {
    let text = World::new().ticket().to_string();
    assert_eq!("https://example.org".parse::<Ticket>(), Err(TicketTextError::Prefix));
    assert_eq!("".parse::<Ticket>(), Err(TicketTextError::Prefix));
    assert_eq!("ow1".parse::<Ticket>(), Err(TicketTextError::Checksum));
    assert_eq!("ow1é".parse::<Ticket>(), Err(TicketTextError::Alphabet));
    assert_eq!(format!("{text}1").parse::<Ticket>(), Err(TicketTextError::Alphabet));
    assert_eq!(format!("ow1{}", "a".repeat(10_000)).parse::<Ticket>(), Err(TicketTextError::TooLong));
    let shouted = format!("ow1{}", text[3..].to_ascii_uppercase());
    assert_eq!(shouted.parse::<Ticket>(), Err(TicketTextError::Alphabet));
}

#[test]
fn the_largest_ticket_fits_its_text_and_one_address_more_is_refused() {
    let mut ticket = World::new().ticket();
    ticket.addresses = vec!["[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535".parse().unwrap(); 16];
    assert_eq!(ticket.to_string().parse(), Ok(ticket.clone()));
    ticket.addresses.push("192.0.2.1:1".parse().unwrap());
    assert_eq!(ticket.to_string().parse::<Ticket>(), Err(TicketTextError::TooManyAddresses));
}

#[test]
fn a_ticket_does_not_print_its_token() {
    let printed = format!("{:?}", Ticket { token: [0xab; 32], ..World::new().ticket() });
    assert!(!printed.contains("171, 171") && !printed.contains("abab"));
}

#[test]
fn a_token_admits_as_many_nodes_as_it_was_made_for_and_each_may_come_again() {
    let mut book = TicketBook::new();
    book.issue([5; 32], 2, NOW + HOUR).unwrap();
    assert_eq!(book.redeem(&[5; 32], node(1), NOW), Ok(()));
    assert_eq!(book.redeem(&[5; 32], node(1), NOW), Ok(()), "the answer was lost: no second use");
    assert_eq!(book.redeem(&[5; 32], node(2), NOW), Ok(()));
    assert_eq!(book.redeem(&[5; 32], node(3), NOW), Err(TicketError::UsedUp { uses: 2 }));
    assert_eq!(book.redeem(&[5; 32], node(1), NOW), Ok(()));
    assert_eq!(book.redeem(&[6; 32], node(1), NOW), Err(TicketError::Unknown));
}

#[test]
fn an_expired_token_admits_nobody_and_is_forgotten_by_pruning() {
    let mut book = TicketBook::new();
    book.issue([5; 32], 2, NOW + HOUR).unwrap();
    book.issue([6; 32], 1, NOW + DAY).unwrap();
    assert_eq!(book.redeem(&[5; 32], node(1), NOW + HOUR), Err(TicketError::Expired));
    assert!(book.prune(NOW + HOUR) && !book.prune(NOW + HOUR));
    assert_eq!(book.redeem(&[5; 32], node(1), NOW), Err(TicketError::Unknown));
    assert_eq!(book.redeem(&[6; 32], node(1), NOW), Ok(()));
    assert_eq!(book.len(), 1);
}

#[test]
fn tickets_and_uses_are_bounded() {
    let mut book = TicketBook::new();
    assert_eq!(book.issue([0; 32], 0, NOW), Err(TicketError::Uses { uses: 0 }));
    assert_eq!(book.issue([0; 32], u32::MAX, NOW), Err(TicketError::Uses { uses: u32::MAX }));
    for i in 0..TICKETS_MAX {
        book.issue([i as u8; 32], 1, Wall(u64::MAX)).unwrap();
    }
    assert_eq!(book.issue([1; 32], 1, NOW), Err(TicketError::TooMany));
    assert_eq!(TicketBook::decode(&book.encode()), Ok(book));
    let mut book = TicketBook::new();
    book.issue([1; 32], 1, NOW).unwrap();
    assert_eq!(book.issue([1; 32], 1, NOW), Err(TicketError::Repeated));
}

#[test]
fn a_book_comes_back_with_who_came_and_without_any_token() {
    let mut book = TicketBook::new();
    book.issue([0xab; 32], 2, NOW + HOUR).unwrap();
    book.redeem(&[0xab; 32], node(1), NOW).unwrap();
    let bytes = book.encode();
    assert!(!bytes.windows(32).any(|w| w == [0xab; 32]), "only the token's hash is kept");
    let mut again = TicketBook::decode(&bytes).unwrap();
    assert_eq!(again, book);
    assert_eq!(again.redeem(&[0xab; 32], node(2), NOW), Ok(()));
    assert_eq!(again.redeem(&[0xab; 32], node(3), NOW), Err(TicketError::UsedUp { uses: 2 }));
}
