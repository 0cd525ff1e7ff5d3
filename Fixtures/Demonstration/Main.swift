// The demonstration application: shows what the loader gave it, checks it, and ends the machine with the result.

import Demo

var checks: UInt64 = 0
var failures: UInt64 = 0

/// Prints one check's result.
func check(_ name: StaticString, _ holds: Bool) {
    checks += 1
    if !holds { failures += 1 }
    show(holds ? "  ok      " : "  FAILED  ")
    show(name)
    show("\r\n")
}

/// Checks the state on which a Hermit kernel relies at its entry.
func checkEntry(_ bootInfo: UInt64, _ info: BootInfo) {
    show("At the entry\r\n")
    field("BootInfo", bootInfo)
    field("stack", demo_state.2)
    field("cr0, cr4, efer")
    show(hex: demo_cr0())
    show(", ")
    show(hex: demo_cr4())
    show(", ")
    show(hex: demo_efer())
    show("\r\n")
    check("BootInfo is aligned, this is CPU 0", bootInfo & 7 == 0 && demo_state.1 == 0)
    check("interrupts are off, direction is up", demo_state.3 & 0x600 == 0)
    check("cr0: EM clear, MP set; cr4: PAE", demo_cr0() & 0x6 == 0x2 && demo_cr4() & 0x20 != 0)
    // The kernel owns 32 KiB from the address in rsp. Its upper end is in use, so the check stops below.
    let stack = demo_state.2
    var address = stack
    while address < stack + 0x7000 {
        demo_store(address, ~address)
        address += 8
    }
    address = stack
    var holds = true
    while address < stack + 0x7000 {
        if demo_load(address) != ~address { holds = false }
        address += 8
    }
    check("the stack's 32 KiB can be written", holds && isIdentityMapped(stack, stack + 0x8000))
}

/// Checks relocated words against addresses computed without relocations.
func checkRelocations() {
    show("Relocated words\r\n")
    let anchor = demo_anchor_by_got()
    field("GLOB_DAT", anchor)
    field("64", demo_words.1)
    field("RELATIVE", demo_words.0)
    check("GLOB_DAT: the GOT slot leads to the object", demo_load(anchor) == 0x1122_3344_5566_7788)
    check("64: symbol and addend", demo_words.1 == anchor + 8 && demo_load(demo_words.1) == 0x99aa_bbcc_ddee_ff00)
    check("64: a weak symbol that nobody defines is 0", demo_words.2 == 0)
    check("RELATIVE: base and addend", demo_words.0 == demo_local_anchor() + 4)
    var unaligned: UInt64 = 0
    for index in 0..<8 {
        let address = withUnsafePointer(to: &demo_unaligned_word) { UInt64(UInt(bitPattern: $0)) }
        unaligned |= UInt64(demo_load8(address + UInt64(index))) << UInt64(8 * index)
    }
    check("RELATIVE: at an odd address", unaligned == demo_local_anchor())
    check("JUMP_SLOT: a call through the PLT", demo_call_by_plt() == 42)
}

/// Checks BootInfo against what the image knows about itself.
func checkBootInfo(_ info: BootInfo) {
    show("BootInfo\r\n")
    info.describe()
    let here = demo_image_start()
    check("the image is where it says", info.imageStart == here && info.imageEnd > demo_local_anchor())
    check("the base is a multiple of 2 MiB", here & 0x1f_ffff == 0)
    check("the ELF header is in memory", demo_load32(here) == 0x464c_457f)
    check(
        "the TLS template is in place",
        info.tlsFileSize == 16 && info.tlsMemorySize == 40 && info.tlsAlignment == 64
            && demo_load(info.tlsStart) == 0x746c_732d_6461_7461
            && demo_load(info.tlsStart + 8) == 0x0a0b_0c0d_0e0f_1011
    )
    check("the serial port is the first", info.serialPort == 0x3f8)
    check(
        "the platform is one of Multiboot and device tree",
        info.platform == 3 || info.platform == 0 && info.multibootInformation != 0)
}

/// Checks the device tree against itself and BootInfo.
func checkDeviceTree(_ info: BootInfo, _ bootInfo: UInt64) {
    show("Device tree\r\n")
    let tree = DeviceTree(at: info.deviceTree, bootInfo: bootInfo)
    check("it is aligned and well-formed", tree.isSound)
    guard tree.isSound else { return }
    tree.describe()
    check("it names memory, in ascending order", isAscending(tree))
    check("it reserves whole pages, BootInfo among them", tree.reservationsAreSound && tree.coversBootInfo)
    if info.platform == 0 {
        var same = tree.argumentsSize == info.commandLineSize
        for index in 0..<tree.argumentsSize where same {
            same = demo_load8(tree.arguments + index) == demo_load8(info.commandLine + index)
        }
        check("bootargs are the command line", same)
    }
    checkPageTables(info, tree)
}

func isAscending(_ tree: DeviceTree) -> Bool {
    var end: UInt64 = 0
    for index in 0..<tree.memoryCount {
        if tree.memory[index].start < end || tree.memory[index].size == 0 { return false }
        end = tree.memory[index].start + tree.memory[index].size
    }
    return tree.memoryCount > 0
}

/// Checks the page tables that this generation of kernels relies on.
func checkPageTables(_ info: BootInfo, _ tree: DeviceTree) {
    show("Page tables\r\n")
    let root = demo_cr3() & ~0xfff
    let last = demo_load(root + 511 * 8)
    field("PML4", root)
    check("the image is mapped to itself", isIdentityMapped(info.imageStart, info.imageEnd, written: false))
    if demo_cr0() & 0x1_0000 != 0 {
        let constant = Translation(of: info.imageStart)
        let data = Translation(of: withUnsafePointer(to: &checks) { UInt64(UInt(bitPattern: $0)) })
        check("pages are protected: constants are not written, data is", !constant.isWritable && data.isWritable)
    }
    if demo_is_identity() != 0 {
        var mapped = true
        for index in 0..<tree.memoryCount where tree.memory[index].start >= 0x10_0000 {
            let range = tree.memory[index]
            mapped = mapped && isIdentityMapped(range.start, range.start + range.size, written: false)
        }
        check("all RAM is mapped to itself", mapped)
        check(
            "the first 2 MiB, all of them in 4 KiB pages",
            isIdentityMapped(0, 0x20_0000, written: false) && smallPagesBelow2MiB())
        check("PML4[511] is clear", last == 0)
        var hidden = true
        var address: UInt64 = 0xfec0_0000
        while address < 0xfee0_1000 {
            let page = Translation(of: address)
            hidden = hidden && !(page.isPresent && page.isCacheable)
            address += 0x1000
        }
        check("the APICs are not mapped as memory", hidden)
    } else {
        check("PML4[511] is the PML4", last & 0x000f_ffff_ffff_f001 == root | 1)
        let (pointers, directory) = (demo_load(root) & ~0xfff, demo_load(root + 0x1000) & ~0xfff)
        check("PML4, PDPT and PD follow each other", pointers == root + 0x1000 && directory == root + 0x2000)
        check("below 2 MiB there are only 4 KiB pages", smallPagesBelow2MiB())
        check("above the image there is nothing", isUnmapped(from: (info.imageEnd + 0x1f_ffff) & ~0x1f_ffff))
    }
}

func smallPagesBelow2MiB() -> Bool {
    var address: UInt64 = 0
    while address < 0x20_0000 {
        let page = Translation(of: address)
        if page.isPresent && page.pageSize != 0x1000 { return false }
        address += 0x1000
    }
    return true
}

/// The entry from assembly.
@_cdecl("demo_main")
public func demoMain() {
    let address = demo_state.0
    let info = BootInfo(at: address)
    show("demo: entry version 4, kernel ")
    show(demo_is_identity() != 0 ? "0.13\r\n" : "before 0.10\r\n")
    checkEntry(address, info)
    checkRelocations()
    checkBootInfo(info)
    checkDeviceTree(info, address)

    show("demo: ")
    if failures == 0 {
        show("all ")
        show(decimal: checks)
        show(" checks passed\r\n")
    } else {
        show(decimal: failures)
        show(" of ")
        show(decimal: checks)
        show(" checks failed\r\n")
    }
    demo_out8(0xf4, failures == 0 ? 1 : 0)
    while true {}
}
