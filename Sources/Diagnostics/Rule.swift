// Every rule that a boot can break: its sentence, its class, and what to do about it. One row per rule.

/// A rule of the ELF specification, of the psABI, of a boot protocol or of the Hermit entry contract.
public enum Rule: UInt8, Equatable, Sendable {
    case noModule, emptyFile, notELF, fileTooShort, notClass64, notLittleEndian, badIdentVersion, wrongMachine
    case objectFile, coreFile, unknownFileType, badVersion, badHeaderSize, badProgramHeaderSize
    case badSectionHeaderSize, programHeadersBeyondFile, noProgramHeaders, noSectionHeaderForCount
    case segmentBeyondFile, segmentFileSizeExceedsMemory, segmentAddressOverflow, segmentAlignment
    case noLoadSegment, segmentsOverlap, imageTooLarge, duplicateSegmentType
    case needsInterpreter, tlsOutsideImage, entryOutsideImage
    case bytesListedTwice, noteTruncated, entryVersionSize, unknownEntryVersion, contradictoryEntryVersion, abiTagSize
    case abiTagNotHermit, missingEntryVersion
    case unknownLoaderOption, alignmentOptionMisplaced, digestMalformed, digestDiffers
    case baseMalformed, baseMisaligned, baseOutsideMemory, baseTooHigh, baseOfFixedImage
    case randomPlaceOfFixedImage
    case dynamicMisaligned, dynamicAddressOutsideFile, dynamicMissing, badEntrySize, tableSizeNotMultiple
    case badPLTRelocationKind, needsLibrary, hashTableMalformed
    case relocationTypeUnknown, relocationOnlyInObjects, relocationOutsideImage, relocationOverflow
    case copyWithoutSource, symbolNotThreadLocal, noThreadLocalSegment, tlsBeforeImage, relativeCountWrong
    case resolverOutsideImage, resolverOutOfPlace
    case symbolIndexOutsideTable
    case symbolUndefined, symbolThreadLocal, relativeRelocationMisplaced
    case noRoomForImage, imageOutsideMemory, noRoomForHandoff, noRoomForModule
    case pageTableRoom, deviceTreeRoom, memoryTooSmall
    case unknownBootProtocol, platformStructureOutsideMemory, noMemoryMap, memoryMapMalformed, tooManyRegions
    case tooManyModules, tooManyReservations, moduleOutsideMemory, commandLineTooLong, badStartInfo
    case cpuException
    case noSectionHeaders, sectionHeadersBeyondFile, sectionBeyondFile, sectionAlignment, sectionTooLarge
    case sectionCompressed, badSectionLink, noSymbolTable, commonAlignment, entrySymbolMissing, entryOutsideSection
    case relocationOnlyInLinkedFiles, relocationOutsideSection, compactRelocationsMalformed, symbolNotLoaded
    case tooManyPriorities, tooManySectionNames
    case symbolSectionUnknown, tlsSequenceUnknown, sectionsApart
    case notSharedObject, versionMissing, versionTableMalformed, symbolSearchTooLong, arrayOutsideImage
    case symbolVersionMissing, copyOutsideImage

    /// What kind of trouble this is; decides the exit status.
    public var kind: Kind {
        let line = line
        let digit = line[Rule.end(line) &+ 1]
        if digit == 0 { return .malformed }
        return Kind(rawValue: Kind.noApplication.rawValue | digit & 0xf) ?? .malformed
    }

    /// The sentence: `%v` and `%d` are the fault's value, `%l` and `%m` its limit, in hexadecimal and in decimal, `%n` the
    /// name, `%t` the relocation's type and `%a` the address that it changes. Capital letters stand for a `phrase`.
    public var sentence: Text {
        let line = line
        return line[0, Rule.end(line)]
    }

    /// What the user can do, with phrases as in the sentence.
    public var advice: Text {
        let line = line
        let advice = line[Rule.end(line) &+ 2, line.count]
        return advice.count > 0 ? advice : "%A"
    }

    /// What sentences and advice share: `%A` stands for the first, and so on.
    public static func phrase(_ letter: UInt8) -> Text { phrases.row(Int(letter &- UInt8(ascii: "A"))) }

    private var line: Text { Rule.lines.row(Int(rawValue)) }
    /// The end of the sentence in a line.
    private static func end(_ line: Text) -> Int { line.index(of: UInt8(ascii: "|")) }

    /// The classes of trouble, one exit status each.
    public enum Kind: UInt8, Sendable {
        case noApplication = 0x10
        case malformed = 0x11
        case wrongKind = 0x12
        case entryContract = 0x13
        case relocation = 0x14
        case placement = 0x15
        case platform = 0x16
        case exception = 0x17
        case options = 0x18

        /// What the loader writes to isa-debug-exit's port 0xf4.
        public var debugExitValue: UInt8 { rawValue }
        /// The status QEMU then ends with: twice the value written, plus one.
        public var status: Int32 { Int32(rawValue) * 2 + 1 }
        /// What it means, in a few words.
        public var meaning: Text {
            switch self {
            case .noApplication: "no application was given"
            case .malformed: "the file is damaged or breaks the ELF specification"
            case .wrongKind: "a sound ELF file, but not one that can boot here"
            case .entryContract: "the Hermit notes are missing, contradictory or unknown"
            case .relocation: "a relocation cannot be applied"
            case .placement: "no place in memory for what must be there"
            case .platform: "the firmware's information is missing or unusable"
            case .options: "an option for the loader is unknown or contradicts the application"
            case .exception: "the CPU raised an exception before the application handled its own"
            }
        }
    }

    /// A line for each rule, in the order of the cases: its sentence, and behind the bar the last digit of its kind's number
    /// and the advice. Without these the file is damaged.
    private static var lines: Text {
        """
        no application was given|0start QEMU with -initrd APPLICATION
        the file is empty|0give -initrd an ELF file
        this is not an ELF file: it begins with %v, not with 0x464c457f (\\x7fELF)|1give -initrd %P's ELF file
        the file ends after %d bytes, inside a structure that needs %m|1%B
        EI_CLASS is %d: a 32-bit file (2, ELFCLASS64, is needed)|2%E
        EI_DATA is %d: not little endian (1, ELFDATA2LSB, is needed)|2%E
        EI_VERSION is %d, not 1
        e_machine is %d, not 62 (x86-64)|2%E
        e_type is ET_REL: an object file, where a linked file is needed|2link it
        e_type is ET_CORE: a core dump, not an application|2give -initrd %P
        e_type is %d, not ET_EXEC (2) or ET_DYN (3)|2%F
        e_version is %d, not 1
        e_ehsize is %d, less than %m
        e_phentsize is %d, not %m
        e_shentsize is %d, not %m
        the program headers %S|1%B
        there are no program headers, so nothing to load|2%F
        e_phnum is PN_XNUM, but there is no section header 0 to hold the count|1%A, or was stripped of section \
        headers it needs
        its bytes %S|1%B
        p_filesz %v exceeds p_memsz %l
        its memory range does not fit in 64 bits: it starts at %v and is %l bytes long
        p_align is %T
        there is no PT_LOAD segment, so nothing to load|2%F
        it starts at %v, below the end of an earlier PT_LOAD segment at %l|1PT_LOAD segments must ascend and not \
        overlap: fix the linker script
        the image needs %v bytes of memory; at most %l can be placed|5%C, or check the linker script for stray addresses
        a second segment of type %v, where one is allowed
        it asks for the program interpreter %n: a program for an operating system, not a unikernel|2link %P \
        statically for Hermit
        the TLS template at %v is not inside a PT_LOAD segment|1%A, or its linker script is wrong
        e_entry %v is not inside a PT_LOAD segment|1link with an entry symbol: -e _start
        with it, notes or relocations of %v bytes are listed, more than the file's %l
        a note ends at %v, beyond the end of its segment at %l
        the Hermit entry version note holds %d bytes, not 1|3%H
        Hermit entry version %d is not known (1 to %m are)|3use a newer loader
        Hermit entry version %d contradicts an earlier note that says %m|3%P links two kernels: rebuild it
        the ABI tag note holds %d bytes, fewer than 16|3%H
        the ABI tag names operating system %d, not 6 (Hermit)|3this program was built for another operating system
        there is no Hermit entry version note, and EI_OSABI is %d, not 255 as in Hermit images before 0.4.3|3build %P \
        for Hermit, or say -initrd "APPLICATION loader.generation=0"
        unknown loader option, from here: %n|8behind loader. are known generation=0, 1, 2, 3, 4-recursive or \
        4-identity, base= and an address, sha256= and a digest, align16, protect, no-protect, kaslr, quiet and verbose
        loader.align16 is for entry versions 2 and 3, and this application's is %d|8leave the option out, or add \
        loader.generation=2 or 3
        not 64 hexadecimal digits behind loader.sha256=, from here: %n|8take the digits that sha256sum prints for the \
        file
        the file's SHA-256 begins with %v, that of loader.sha256= with %l|8give the file that was meant, or the \
        digest of this one
        no number behind loader.base=, from here: %n|8write the address in decimal, or in hexadecimal behind 0x
        loader.base: %v is not a multiple of %l, which the image needs|8give one that is
        loader.base: the image would lie at %v up to %l, which is not all RAM below 4 GiB|8give another address, or \
        the machine more memory (-m)
        loader.base: the image would end at %v, and kernels of this entry version must end at or below %l|8give a \
        lower address
        loader.base: the file is linked at a fixed address, %l, not at %v|8%I
        loader.kaslr: the file is linked at a fixed address, %v|8%I
        PT_DYNAMIC is %d bytes long, not a multiple of 16
        the table at address %v, %l bytes long, is not inside the bytes of a PT_LOAD segment
        it is missing, but another entry needs it
        the entry size is %d, not %m
        the table is %d bytes long, not a multiple of %m
        it is %d, neither DT_RELA (7) nor DT_REL (17)
        no module is given for what it needs: %n|2add shared libraries, -initrd "APPLICATION,LIBRARY", or link %P \
        statically
        the hash table does not fit in its segment
        relocation type %d, wanted at %a against %n, is not one of the psABI's (0 to 51)|4%A, or comes from a newer \
        toolchain
        %Q: linkers resolve this type, %d: it cannot be in a linked file|4%J
        %t against %n: the place %v is not inside %R|4
        %t at %a: the value %v of %n is beyond what the field can hold, %l|4link %P at a lower address, or as \
        position independent code
        %t at %a: no other file defines %n, so there is nothing to copy|4%K
        %t at %a needs a thread-local symbol, but %n has type %d|4%L
        %Q, but there is no PT_TLS segment|4
        the TLS template at %v, aligned to %l, would begin before the image|1align the TLS section in the linker script
        %t at %a is among the %m entries that DT_RELACOUNT says are R_X86_64_RELATIVE|4%J
        %Q: the resolver at %v is not inside %R|4
        %t at %a: its resolver at %v cannot run before the image has replaced the loader|4link %P at an address above \
        the loader's
        symbol index %d is outside the symbol table of %m entries|4
        undefined: %n, wanted at %v|4%K
        %t at %a needs an address, but %n is thread-local|4%L
        a RELR bitmap before any address|4
        no free memory for the image: it needs %v bytes, and the largest free range has %l|5%C
        the image must lie at %v up to %l, which is not all RAM|5%C, or link %P elsewhere
        no free memory for the page tables, stack and BootInfo: %v bytes|5%C
        the image must lie where the module is, and there is no other place for the module's %v bytes|5%C
        the page tables need more than the %d pages set aside for them|5%G
        the device tree needs more than the %d bytes set aside for it|5shorten the command line
        the machine has no usable memory|5%C
        the loader was started with the magic number %v, by neither Multiboot nor PVH|6start it with QEMU's -kernel, \
        or as a PVH kernel
        the firmware's structure of %l bytes at %v is not in memory that can be read|6%D
        the firmware gave no memory map|6%D
        the memory map has an entry of %d bytes, fewer than %m|6%D
        the memory map has more than %m entries|6%G
        there are %d modules; at most %m are supported|6give fewer modules
        more than %m reserved ranges|6%G
        the module at %v up to %l is not in memory that can be read|6%D
        the command line is longer than %m bytes|6shorten it
        the PVH start info has magic %v, not 0x336ec578|6the virtual machine monitor is at fault
        CPU exception %d at %l|7%P or the loader is at fault
        an object file without section headers: nothing says what to load|1%M
        the section headers %S|1%B
        the section's bytes %S|1%B
        sh_addralign is %T
        behind address %v there is no room for its %l bytes
        SHF_COMPRESSED together with SHF_ALLOC, which the gABI forbids
        it refers to section %d, which is not the one that it needs (there are %m)
        an object file without a symbol table: nothing says where it begins|2%M
        the common symbol's alignment, its st_value, is %T
        no section of the object file defines the global symbol '_start', the entry point|2define _start, or combine \
        the object files with ld -r
        '_start' is at offset %v, not inside the %l bytes in memory of its section
        %Q: only linkers make this type, %d: it cannot be in an object file|4%A: compile it again
        %t against %n: the place %v is not inside its section, which ends at %l|4
        the number at offset %v of the %l bytes of compact relocations is cut off, or has more than 64 bits|1%A, or \
        another version of LLVM made it
        %Q, which is in section %d: that is not in memory at run time|4keep what runs and what describes it, such as \
        debug information, in sections of their own
        the sections of initialisers have more than %m different priorities|2%N
        %Q: more than %m symbols are named for where sections begin or end|2%N
        %Q, which is in section %d: there are %m sections|4
        %Q: the code is none of the psABI's sequences, and no __tls_get_addr is defined|4compile with \
        -ftls-model=local-exec
        %Q: the sections of this name do not lie side by side|4make one of them: ld -r
        e_type is ET_EXEC: a file linked at a fixed address, where a shared object is needed|2link the library with \
        -shared
        %n: a symbol wants a version that the library named last does not define|4%O
        the version entry at %v does not fit in its table of %l bytes
        symbols are not found in %d steps: the hash or version tables lead nowhere
        the array of initialisers or finalisers at %v is not inside %R
        undefined: %n, wanted at %v: the library named last has no such symbol of that version|4%O
        %t at %a: the original of %n at %v is not inside its image, which ends at %l|4
        """
    }

    private static var phrases: Text {
        """
        the file is damaged
        the file was cut short: copy or build it again
        give the machine more memory (-m)
        the boot loader or virtual machine monitor is at fault
        build %P for x86-64
        link %P as an executable
        please report it
        build %P with an unmodified Hermit kernel
        leave the option out, or link %P position independent (-pie)
        %A: link it again
        link what defines it into %P
        one file declares it thread-local and another does not: fix the sources
        the file was stripped of what it needs: build it again
        link %P
        give -initrd the library that %P was linked with
        the application
        %t at %a against %n
        the image, which ends at %l
        end at %v, beyond the file's end at %l
        %v, not a power of two
        """
    }
}
