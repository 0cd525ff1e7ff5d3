// Device trees, read back by a reader of the tests' own and by dtc.

import Boot
import Memory
import Firmware
import Bytes
import Diagnostics
import Foundation
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(minutesPerTest))) struct DeviceTreeWriterTests {
    /// A tree in `room` bytes, which were 0xcc before; the bytes of its own size, all bytes, and the fault.
    static func build(
        _ room: Int, _ commandLine: [UInt8] = Array("-- a \"b\" c".utf8), body: (inout DeviceTreeWriter) -> Void
    ) -> (tree: [UInt8], memory: [UInt8], fault: Fault?) {
        var memory = [UInt8](repeating: 0xcc, count: room + 64)
        var size: UInt64 = 0
        var found: Fault?
        do {
            var span = memory.mutableSpan
            var whole = span.mutableBytes
            var writer = DeviceTreeWriter(ByteRegion(whole._mutatingExtracting(0..<room), at: 0x8000))
            body(&writer)
            do throws(Fault) { size = try writer.finish(ByteView(commandLine.span.bytes)) } catch { found = error }
        }
        return (Array(memory[..<Int(size)]), memory, found)
    }

    static func example(_ tree: inout DeviceTreeWriter) {
        tree.reserve(AddressRange(0, 0x10_0000))
        tree.reserve(AddressRange(0x1_2345_6000, 0x1_2345_8000))
        tree.beginRoot(.multiboot)
        tree.memory(AddressRange(0, 0x9_f000))
        tree.memory(AddressRange(0x1_0020_0000, 0x2_0000_0000))
        tree.rootPointer(0xf_52d0)
    }

    @Test func `a confidential computing blob has the node that upstream's loader writes`() throws {
        let result = Self.build(512) { tree in
            tree.beginRoot(.uefi)
            tree.confidentialBlob(0x80_d000)
        }
        let node = try #require(DeviceTree(result.tree)?.root.children.first)
        #expect(node.name == "hermit,efi_sev_snp_cc_blob@80d000")
        #expect(node["reg"] == [0, 0, 0, 0, 0, 0x80, 0xd0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    }

    @Test func `the root's begin has the length of the protocol's name`() throws {
        for (bootProtocol, name) in [
            (BootProtocol.multiboot, "hermit,multiboot"), (.pvh, "hermit,pvh"), (.linux, "hermit,linux"),
            (.multiboot2, "hermit,multiboot2"),
            (.uefi, "hermit,pvh"),
        ] {
            let result = Self.build(512) { tree in tree.beginRoot(bootProtocol) }
            let tree = try #require(DeviceTree(result.tree))
            #expect(tree.root.text("compatible") == name)
            #expect(tree.root["#address-cells"] == [0, 0, 0, 2] && tree.root["#size-cells"] == [0, 0, 0, 2])
            #expect(tree.root.children.map(\.name) == ["chosen"])
        }
    }

    @Test func `addresses in names have no leading zeros`() throws {
        for address in [0, 1, 0xf, 0x10, 0xfff_ffff, 0x1000_0000, 0xffff_ffff, 0x1_0000_0000, .max] as [UInt64] {
            let result = Self.build(512) { tree in
                tree.beginRoot(.pvh)
                tree.memory(AddressRange(address, .max))
            }
            let tree = try #require(DeviceTree(result.tree))
            #expect(tree.root.children.first?.name == "memory@" + String(address, radix: 16))
            #expect(tree.root.children.first?.numbers("reg") == [address, .max - address])
        }
    }

    @Test func `a tree is read back as it was written`() throws {
        let result = Self.build(1024, body: Self.example)
        #expect(result.fault == nil)
        let tree = try #require(DeviceTree(result.tree))
        #expect(tree.size == result.tree.count)
        #expect(tree.reservations == [0..<0x10_0000, 0x1_2345_6000..<0x1_2345_8000])
        #expect(tree.root.name == "")
        #expect(tree.root.text("compatible") == "hermit,multiboot")
        #expect(tree.root["#address-cells"] == [0, 0, 0, 2])
        #expect(tree.root["#size-cells"] == [0, 0, 0, 2])
        #expect(tree.root.children.map(\.name) == ["memory@0", "memory@100200000", "hermit,rsdp@f52d0", "chosen"])
        #expect(tree.root.children[0].text("device_type") == "memory")
        #expect(tree.root.children[1].numbers("reg") == [0x1_0020_0000, 0xffe0_0000])
        #expect(tree.root.children[2].numbers("reg") == [0xf_52d0, 1])
        #expect(tree.root.children[3].text("bootargs") == "-- a \"b\" c")
        // Nothing after the tree was written.
        #expect(result.memory[result.tree.count...].allSatisfy { $0 == 0xcc })
    }

    @Test func `a tree needs exactly its size`() {
        let size = Self.build(1024, body: Self.example).tree.count
        #expect(Self.build(size, body: Self.example).fault == nil)
        for room in [size - 1, size / 2, 40, 8, 0] {
            let result = Self.build(room, body: Self.example)
            #expect(result.fault == Fault(.deviceTreeRoom, value: UInt64(room)))
            #expect(result.memory[room...].allSatisfy { $0 == 0xcc })
        }
    }

    @Test func `command lines of every length keep the structure aligned`() throws {
        for length in 0...9 {
            let text = [UInt8](repeating: 0x61, count: length)
            let result = Self.build(512, text) { tree in tree.beginRoot(.pvh) }
            let tree = try #require(DeviceTree(result.tree))
            #expect(tree.reservations == [])
            #expect(tree.root.children.last?["bootargs"] == text + [0])
        }
    }

    static let dtc = ["/usr/bin/dtc", "/usr/local/bin/dtc"].first { FileManager.default.isExecutableFile(atPath: $0) }

    @Test(.enabled(if: dtc != nil, "dtc is not installed")) func `dtc reads it without a warning`() throws {
        let folder = try Folder()
        let (output, complaints) = (folder.place("out"), folder.place("err"))
        let input = try folder.write("tree.dtb", Self.build(1024, body: Self.example).tree)
        for file in [output, complaints] { try Data().write(to: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.dtc ?? "")
        process.arguments = ["-I", "dtb", "-O", "dts", input.path]
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: complaints)
        try process.run()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        let text = try String(contentsOf: output, encoding: .utf8)
        let warnings = try String(contentsOf: complaints, encoding: .utf8)
        #expect(warnings == "")
        for line in [
            "/memreserve/\t0x0000000000000000 0x0000000000100000;",
            "/memreserve/\t0x0000000123456000 0x0000000000002000;",
            "memory@100200000 {", "reg = <0x01 0x200000 0x00 0xffe00000>;", "bootargs = \"-- a \\\"b\\\" c\";",
            "#address-cells = <0x02>;", "compatible = \"hermit,multiboot\";",
        ] { #expect(text.contains(line), "\(line) in \(text)") }
    }
}
