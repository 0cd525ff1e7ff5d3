// Prints its arguments, one line, and shuts down with code 42; the argument "crash" has it read where there is nothing.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};

global_asm!(r#"
    .section .text.start, "ax", @progbits
    .globl _start
_start:
    leaq 0x7ff0(%rsp), %rsp
    xorl %ebp, %ebp
    movq %cr4, %rax
    orq $0x600, %rax
    movq %rax, %cr4
    call main
    .section .note.hermit.entry-version, "a", @note
    .balign 4
    .long 7, 1, 0x5a00
    .asciz "HERMIT"
    .balign 4
    .byte 4
    .balign 4
    .section .note.ABI-tag, "a", @note
    .balign 4
    .long 4, 16, 1
    .asciz "GNU"
    .long 6, 0, 13, 2
"#, options(att_syntax));

fn put(byte: u8) {
    unsafe { asm!("out dx, al", in("dx") 0x3f8u16, in("al") byte) }
}

fn print(text: &[u8]) {
    text.iter().for_each(|&byte| put(byte))
}

fn end(value: u8) -> ! {
    loop {
        unsafe { asm!("out dx, al", in("dx") 0xf4u16, in("al") value) }
    }
}

#[repr(C)]
struct RawBootInfo {
    before: [u64; 10],
    platform: u64,
    command_line: *const u8,
    size: usize,
}

mod deep {
    pub trait Dies {
        fn dies(&self) -> u8;
    }
    impl Dies for &'static str {
        #[inline(never)]
        fn dies(&self) -> u8 {
            unsafe { core::ptr::read_volatile(0x4000_0000_0000 as *const u8) }
        }
    }
}

#[no_mangle]
extern "C" fn main(info: &RawBootInfo) -> ! {
    let line = unsafe { core::slice::from_raw_parts(info.command_line, info.size) };
    let start = line.windows(4).position(|part| part == b" -- ").map_or(line.len(), |at| at + 4);
    print(&line[start..]);
    print(b"\r\n");
    if line.ends_with(b"crash") {
        put(deep::Dies::dies(&"now"));
    }
    print(b"[0][INFO] shutting down with code 42\r\n");
    end(1)
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    print(b"panic\n");
    end(0)
}

#[no_mangle]
extern "C" fn rust_eh_personality() {}
