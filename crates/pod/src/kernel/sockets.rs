//! Sockets, and descriptors that travel over them.

use super::{checked, owned, text};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// The most descriptors that the kernel lets through at once.
pub const MAX_DESCRIPTORS: usize = 253;

/// Two ends of a channel of whole messages.
pub fn message_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two numbers.
    checked(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }.into())?;
    // SAFETY: the kernel has just made both for us.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// A socket at `path`, which only this user may connect to.
pub fn listen(path: &str) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let socket = owned(unsafe { libc::socket(libc::AF_UNIX, kind, 0) }.into())?;
    // SAFETY: all zero is a valid value of this struct.
    let mut address: libc::sockaddr_un = unsafe { std::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as u16;
    let name = text(path)?;
    if name.as_bytes().len() >= address.sun_path.len() {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    for (to, from) in address.sun_path.iter_mut().zip(name.as_bytes()) {
        *to = *from as libc::c_char;
    }
    let _ = std::fs::remove_file(path);
    let size = size_of::<libc::sockaddr_un>() as u32;
    super::files::set_umask(0o177);
    // SAFETY: the address and its size belong together.
    let bound = checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) }.into());
    super::files::set_umask(0o022);
    bound?;
    // SAFETY: no pointers.
    checked(unsafe { libc::listen(socket.as_raw_fd(), 128) }.into())?;
    Ok(socket)
}

/// Somebody who connected.
pub fn accept(socket: impl AsFd) -> io::Result<OwnedFd> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    let null = std::ptr::null_mut();
    // SAFETY: the address is not asked for.
    owned(unsafe { libc::accept4(socket.as_fd().as_raw_fd(), null, null.cast(), flags) }.into())
}

/// The user who connected.
pub fn peer_uid(socket: impl AsFd) -> io::Result<u32> {
    let mut who = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut size = size_of::<libc::ucred>() as u32;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes one struct, whose size is given.
    checked(
        unsafe {
            libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, (&raw mut who).cast(), &mut size)
        }
        .into(),
    )?;
    Ok(who.uid)
}

/// Room for descriptors beside a message, aligned as the kernel wants it.
fn ancillary_room() -> Vec<u64> {
    // SAFETY: arithmetic only.
    let size = unsafe { libc::CMSG_SPACE((MAX_DESCRIPTORS * size_of::<RawFd>()) as u32) };
    vec![0; (size as usize).div_ceil(8)]
}

/// Sends bytes, and descriptors with the first of them; how many bytes went.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[RawFd]) -> io::Result<usize> {
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zero is a valid value of this struct.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    let mut room = Vec::new();
    if !descriptors.is_empty() {
        if descriptors.len() > MAX_DESCRIPTORS {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        room = ancillary_room();
        let size = size_of_val(descriptors) as u32;
        message.msg_control = room.as_mut_ptr().cast();
        // SAFETY: there is room for the most descriptors that are let through, and for the header.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size) as usize;
            let header = libc::CMSG_FIRSTHDR(&message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            let data: *mut RawFd = libc::CMSG_DATA(header).cast();
            for (at, descriptor) in descriptors.iter().enumerate() {
                data.add(at).write_unaligned(*descriptor);
            }
        }
    }
    // SAFETY: the message and what it points to live through the call.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &message, libc::MSG_NOSIGNAL) };
    drop(room);
    Ok(checked(sent as libc::c_long)? as usize)
}

/// Receives what is there, and the descriptors beside it.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut room = ancillary_room();
    // SAFETY: all zero is a valid value of this struct.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &mut part;
    message.msg_iovlen = 1;
    message.msg_control = room.as_mut_ptr().cast();
    message.msg_controllen = room.len() * 8;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the message and what it points to live through the call.
    let count = checked(unsafe { libc::recvmsg(fd, &mut message, libc::MSG_CMSG_CLOEXEC) } as libc::c_long)?;
    let mut descriptors = Vec::new();
    // SAFETY: the kernel filled the room with headers, each with its length; the descriptors are ours.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&message);
        while !header.is_null() {
            if (*header).cmsg_level == libc::SOL_SOCKET && (*header).cmsg_type == libc::SCM_RIGHTS {
                let size = (*header).cmsg_len - libc::CMSG_LEN(0) as usize;
                let data: *const RawFd = libc::CMSG_DATA(header).cast();
                for at in 0..size / size_of::<RawFd>() {
                    descriptors.push(OwnedFd::from_raw_fd(data.add(at).read_unaligned()));
                }
            }
            header = libc::CMSG_NXTHDR(&message, header);
        }
    }
    Ok((count as usize, descriptors))
}

/// The length of the next whole message.
pub fn next_length(socket: impl AsFd) -> io::Result<usize> {
    let flags = libc::MSG_PEEK | libc::MSG_TRUNC;
    // SAFETY: there is no room, and the kernel writes nothing.
    let count =
        unsafe { libc::recv(socket.as_fd().as_raw_fd(), std::ptr::null_mut(), 0, flags) } as libc::c_long;
    Ok(checked(count)? as usize)
}

/// Begins a TCP connection to a port of the loopback, of IPv6 if asked for.
pub fn dial(port: u16, ipv6: bool) -> io::Result<OwnedFd> {
    let family = if ipv6 { libc::AF_INET6 } else { libc::AF_INET };
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let socket = owned(unsafe { libc::socket(family, kind, 0) }.into())?;
    let fd = socket.as_raw_fd();
    let result = if ipv6 {
        // SAFETY: all zero is a valid value of this struct.
        let mut address: libc::sockaddr_in6 = unsafe { std::mem::zeroed() };
        address.sin6_family = libc::AF_INET6 as u16;
        address.sin6_port = port.to_be();
        address.sin6_addr.s6_addr[15] = 1;
        // SAFETY: the address and its size belong together.
        unsafe { libc::connect(fd, (&raw const address).cast(), size_of_val(&address) as u32) }
    } else {
        // SAFETY: all zero is a valid value of this struct.
        let mut address: libc::sockaddr_in = unsafe { std::mem::zeroed() };
        address.sin_family = libc::AF_INET as u16;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        // SAFETY: the address and its size belong together.
        unsafe { libc::connect(fd, (&raw const address).cast(), size_of_val(&address) as u32) }
    };
    match checked(result.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket),
    }
}

/// How a connection that was begun came out.
pub fn outcome(socket: impl AsFd) -> io::Result<()> {
    let (mut errno, mut size) = (0i32, 4u32);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the kernel writes one number.
    checked(
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut errno).cast(), &mut size) }
            .into(),
    )?;
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}

/// Brings this network namespace's loopback up.
pub fn loopback_up() -> io::Result<()> {
    // SAFETY: no pointers.
    let socket =
        owned(unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }.into())?;
    // SAFETY: all zero is a valid value of this struct.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    // SAFETY: the kernel reads the struct that this request takes.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into())?;
    Ok(())
}
