// RawBootInfo of entry version 4 (hermit-entry), decoded field by field.

import Demo

/// The loader's description of the machine and of the image.
struct BootInfo {
    let physicalStart: UInt64, physicalEnd: UInt64
    let serialPort: UInt16
    let deviceTree: UInt64
    let imageStart: UInt64, imageEnd: UInt64
    let tlsStart: UInt64, tlsFileSize: UInt64, tlsMemorySize: UInt64, tlsAlignment: UInt64
    let platform: UInt32
    let commandLine: UInt64, commandLineSize: UInt64, multibootInformation: UInt64

    init(at address: UInt64) {
        physicalStart = demo_load(address)
        physicalEnd = demo_load(address + 8)
        serialPort = demo_load16(address + 16)
        deviceTree = demo_load(address + 24)
        imageStart = demo_load(address + 32)
        imageEnd = demo_load(address + 40)
        tlsStart = demo_load(address + 48)
        tlsFileSize = demo_load(address + 56)
        tlsMemorySize = demo_load(address + 64)
        tlsAlignment = demo_load(address + 72)
        platform = demo_load32(address + 80)
        commandLine = demo_load(address + 88)
        commandLineSize = demo_load(address + 96)
        multibootInformation = demo_load(address + 104)
    }

    func describe() {
        field("image", imageStart, imageEnd)
        field("TLS template", tlsStart)
        field("TLS bytes")
        show(decimal: tlsFileSize)
        show(" of ")
        show(decimal: tlsMemorySize)
        show(", aligned to ")
        show(decimal: tlsAlignment)
        show("\r\n")
        field("serial port", UInt64(serialPort))
        field("device tree", deviceTree)
        field("platform")
        show(platform == 0 ? "Multiboot\r\n" : platform == 3 ? "device tree\r\n" : "unknown\r\n")
        if platform == 0 {
            field("Multiboot at", multibootInformation)
            field("command line", text: commandLine, commandLineSize)
        }
    }
}
