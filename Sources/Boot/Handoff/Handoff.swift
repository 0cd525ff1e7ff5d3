// Fills the handoff block: page tables, BootInfo, GDT, device tree and Multiboot information.

public import Architecture
public import Memory
public import Firmware
public import Bytes
public import Diagnostics
import ELF
import HermitEntry
import Linking

/// Everything a boot needs to know beyond the application and the platform.
public struct Handoff {
    /// The loader's own bytes.
    public var loader: AddressRange
    /// The first page after the loader's code.
    var loaderDataStart: UInt64
    /// Whether the CPU has 1 GiB pages.
    public var hasGigabytePages: Bool
    /// Whether the CPU can refuse to execute a page.
    public var hasNoExecute: Bool

    /// A handoff by the loader at `loader`, whose code ends at `codeEnd`.
    public init(loader: AddressRange, codeEnd: UInt64, hasGigabytePages: Bool, hasNoExecute: Bool) {
        self.loader = loader
        loaderDataStart = codeEnd.pageAligned
        self.hasGigabytePages = hasGigabytePages
        self.hasNoExecute = hasNoExecute
    }

    /// Fills `block`, whose range is that of `plan.handoff`; `memory` is read for the command line. Returns the
    /// state in which to enter the kernel. Throws `entryNotExecutable`, `pageTableRoom` or `deviceTreeRoom`.
    public func write(
        _ application: borrowing Application, on platform: borrowing PlatformFacts, _ plan: MemoryPlan,
        memory: PhysicalMemory, to block: inout ByteRegion
    ) throws(Fault) -> EntryState {
        let protectsExecution = application.protectsPages && hasNoExecute
        if protectsExecution { try application.requireExecutableEntry() }
        let layout = plan.handoff
        let commandLine =
            platform.commandLine.isEmpty ? AddressRange(memory.origin, memory.origin) : platform.commandLine
        let text = try memory.view(commandLine.start, size: commandLine.size)
        let usesFirmwareInformation = isMultibootInformationUsable(application, on: platform, plan)

        block.clear(layout.information.start, size: layout.information.size)
        let (code, data) = (SegmentDescriptor.code, SegmentDescriptor.data)
        block.put(code.value, at: layout.descriptorTable &+ code.offset)
        block.put(data.value, at: layout.descriptorTable &+ data.offset)

        block.clear(layout.multiboot.start, size: layout.multiboot.size)
        block.copy(text, to: layout.multiboot.start)

        if application.generation.hasDeviceTree {
            let rootPointer = RootPointer.tell(application, on: platform, layout, memory, to: &block)
            try writeDeviceTree(
                application, on: platform, plan, text, rootPointer: rootPointer,
                reservesFirmwareInformation: usesFirmwareInformation, to: &block)
        }
        var multibootInformation: UInt64 = 0
        if usesFirmwareInformation {
            multibootInformation = platform.information
        } else if platform.bootProtocol == .multiboot || !application.generation.hasDeviceTreePlatform {
            multibootInformation = try writeMultibootInformation(platform, plan, memory, to: &block)
        }
        writeBootInfo(application, plan, commandLineSize: text.count, multibootInformation, to: &block)
        try writePageTables(
            application, on: platform, plan, mapsFirmwareInformation: usesFirmwareInformation, to: &block)

        return EntryState(
            instructionPointer: application.entry &+ plan.bias,
            // Kernels that take their stack from BootInfo get a usable one here, for their first instructions.
            stackPointer: application.generation.takesStackFromRegister ? layout.stack.start : layout.stack.end &- 16,
            bootInfo: layout.bootInfo,
            pageTable: layout.pageTables.start,
            descriptorTable: layout.descriptorTable,
            trampoline: layout.trampoline.start,
            staged: plan.staged,
            movingPageTable: isLoaderLeft(application, plan)
                ? layout.pageTables.start : plan.movingTables.start,
            imageStart: plan.image.start,
            protectsWriting: application.protectsPages,
            protectsExecution: protectsExecution)
    }

    private func writeBootInfo(
        _ application: borrowing Application, _ plan: MemoryPlan, commandLineSize: UInt64,
        _ multibootInformation: UInt64, to block: inout ByteRegion
    ) {
        let layout = plan.handoff
        var info = BootInfo(imageStart: plan.image.start, imageEnd: plan.image.end, stack: layout.stack.start)
        info.tls = application.tls(bias: plan.bias)
        info.serialPort = IOPort.serial
        info.commandLine = layout.multiboot.start
        info.commandLineSize = commandLineSize
        if application.generation.hasDeviceTree { info.deviceTree = layout.deviceTree.start }
        info.multibootInformation = multibootInformation
        // It has a page to itself.
        _ = info.write(
            application.generation, alignsWideIntegers: application.alignsWideIntegers, to: &block, at: layout.bootInfo)
    }

    /// Fills the page tables for the move of a staged image: an identity mapping of everything the loader can reach.
    /// `region` is that of `plan.movingTables`. Throws `pageTableRoom`.
    func writeMovingTables(_ region: consuming ByteRegion, limit: UInt64) throws(Fault) {
        var tables = PageTables(region)
        tables.map(AddressRange(0, limit), .size2MiB)
        try tables.checkRoom()
    }
}
