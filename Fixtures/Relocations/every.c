// Every relocation number of a linked file: each word against what this program computes from addresses relative to its own
// instructions.

#include "check.h"

extern HIDDEN uint8_t near[], none[], a64[], a64_near[], a64_nowhere[], pc32[], glob_dat[], relative[], a32[], a32s[], a16[],
    pc16[], a8[], pc8[], dtpmod64[], dtpoff64[], tpoff64[], dtpoff32[], tpoff32[], pc64[], size32[], size64[], tlsdesc[],
    tlsdesc_nowhere[], irelative[], chosen64[], chosen_pc32[], relative64[], r64[], r_pc32[], r_relative[], r32[], r16[],
    r8[], r_tpoff64[], r_size32[], r_tlsdesc[], r_irelative[], jump_slot[], jump_slot_chosen[];
extern HIDDEN uint64_t packed[];

static int chosen(void) { return 77; }
HIDDEN uint64_t resolver(void) { return (uint64_t)chosen; }

static uint64_t word(const uint8_t *volatile place, int size) {
    uint64_t value = 0;
    for (int i = 0; i < size; i++)
        value |= (uint64_t)place[i] << 8 * i;
    check("byte before", place[-1], 0xee);
    check("byte after", place[size], 0xee);
    return value;
}

/// Calls a TLS descriptor as compilers do; nothing but rax may change.
static uint64_t call_descriptor(const uint8_t *descriptor) {
    uint64_t result = (uint64_t)descriptor;
    register uint64_t r8 __asm__("r8") = 8, r9 __asm__("r9") = 9, r10 __asm__("r10") = 10, r11 __asm__("r11") = 11;
    uint64_t b = 2, c = 3, d = 4, si = 5, di = 6;
    __asm__ volatile("call *(%%rax)"
                     : "+a"(result), "+b"(b), "+c"(c), "+d"(d), "+S"(si), "+D"(di), "+r"(r8), "+r"(r9), "+r"(r10), "+r"(r11)
                     :
                     : "memory", "cc");
    check("registers", b | c << 8 | d << 16 | si << 24 | di << 32 | r8 << 40 | r9 << 44 | r10 << 48 | r11 << 52,
          0x2 | 0x300 | 0x40000 | 0x5000000 | 0x600000000 | 8ul << 40 | 9ul << 44 | 10ul << 48 | 11ul << 52);
    return result;
}

void check_relocations(void) {
    uint64_t S = (uint64_t)near, tp = set_up_tls();
    uint64_t distance = (boot_info->tls_memsz + boot_info->tls_align - 1) & -boot_info->tls_align;
    check("PT_TLS", boot_info->tls_memsz > 0x20 && boot_info->tls_align == 32, 1);
    check("0 NONE", word(none, 8), 0xee);
    check("1 64", word(a64, 8), 0x1122334455667798);
    check("1 64, defined here", word(a64_near, 8), S + 3);
    check("1 64, weak undefined", word(a64_nowhere, 8), 5);
    check("2 PC32", (int32_t)word(pc32, 4), S - 4 - (uint64_t)pc32);
    check("6 GLOB_DAT", word(glob_dat, 8), S);
    check("7 JUMP_SLOT", word(jump_slot, 8), S);
    check("7 JUMP_SLOT, IFUNC", word(jump_slot_chosen, 8), (uint64_t)chosen);
    check("8 RELATIVE", word(relative, 8), S + 2);
    check("10 32", word(a32, 4), S + 1);
    check("11 32S", word(a32s, 4), 0xfffff234);
    check("12 16", word(a16, 2), 0x1345);
    check("13 PC16", (int16_t)word(pc16, 2), S - (uint64_t)pc16);
    check("14 8", word(a8, 1), 0x54);
    check("15 PC8", (int8_t)word(pc8, 1), S - (uint64_t)pc8);
    check("16 DTPMOD64", word(dtpmod64, 8), 1);
    check("17 DTPOFF64", word(dtpoff64, 8), 12);
    check("18 TPOFF64", word(tpoff64, 8), 8 - distance);
    check("18 TPOFF64, the variable", *(uint64_t *)(tp + word(tpoff64, 8)), 6);
    check("21 DTPOFF32", word(dtpoff32, 4), 10);
    check("23 TPOFF32", (int32_t)word(tpoff32, 4), 9 - distance);
    check("24 PC64", word(pc64, 8), S + 8 - (uint64_t)pc64);
    check("32 SIZE32", word(size32, 4), 25);
    check("33 SIZE64", word(size64, 8), 0x98);
    check("36 TLSDESC", call_descriptor(tlsdesc), 8 - distance);
    check("36 TLSDESC, argument", word(tlsdesc, 16) | *(uint64_t *)(tlsdesc + 8), word(tlsdesc, 8 + 8) | (8 - distance));
    check("36 TLSDESC, weak undefined", tp + call_descriptor(tlsdesc_nowhere), 0x123);
    uint64_t code = *(uint64_t *)tlsdesc;
    check("36 TLSDESC, code in the image", code >= boot_info->image_start && code < boot_info->image_end, 1);
    check("37 IRELATIVE", word(irelative, 8), (uint64_t)chosen);
    check("1 64, IFUNC", word(chosen64, 8), (uint64_t)chosen + 7);
    check("2 PC32, IFUNC", (int32_t)word(chosen_pc32, 4), (uint64_t)chosen - 4 - (uint64_t)chosen_pc32);
    check("38 RELATIVE64", word(relative64, 8), S + 9);

    check("DT_REL 64", word(r64, 8), S + 0x21);
    check("DT_REL PC32", (int32_t)word(r_pc32, 4), S - 4 - (uint64_t)r_pc32);
    check("DT_REL RELATIVE", word(r_relative, 8), S + 5);
    check("DT_REL 32", word(r32, 4), 0x2234);
    check("DT_REL 16", word(r16, 2), 0x234);
    check("DT_REL 8", word(r8, 1), 0xfd);
    check("DT_REL TPOFF64", word(r_tpoff64, 8), 9 - distance);
    check("DT_REL SIZE32", word(r_size32, 4), 26);
    check("DT_REL TLSDESC", call_descriptor(r_tlsdesc), 11 - distance);
    check("DT_REL IRELATIVE", word(r_irelative, 8), (uint64_t)chosen);

    uint64_t *volatile words = packed;
    check("DT_RELR address", words[0], S);
    check("DT_RELR bitmap", words[1], S + 1);
    check("DT_RELR bitmap", words[3], 0x1111 + (boot_info->image_start - LINK_START));
    check("DT_RELR, not in the bitmap", words[2], S + 2 - (boot_info->image_start - LINK_START));
}
