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
    public var kind: Kind { description.kind }

    /// One row of the table: class, sentence, advice.
    public struct Description: Sendable {
        /// What kind of trouble it is.
        public var kind: Kind
        /// The sentence: `%v` and `%d` are the fault's value, `%l` and `%m` its limit, in hexadecimal and in decimal,
        /// `%n` the name.
        public var sentence: StaticString
        /// What the user can do.
        public var advice: StaticString

        init(_ kind: Kind, _ sentence: StaticString, _ advice: StaticString) {
            self.kind = kind
            self.sentence = sentence
            self.advice = advice
        }
    }

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
        public var meaning: StaticString {
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

    /// This rule's row.
    public var description: Description {
        switch self {
        case .noModule:
            .init(.noApplication, "no application was given", "start QEMU with -initrd APPLICATION")
        case .emptyFile: .init(.noApplication, "the file is empty", "give -initrd an ELF file")
        case .notELF:
            .init(
                .malformed, "this is not an ELF file: it begins with %v, not with 0x464c457f (\\x7fELF)",
                "give -initrd the application's ELF file")
        case .fileTooShort:
            .init(
                .malformed, "the file ends after %d bytes, inside a structure that needs %m",
                "the file was cut short: copy or build it again")
        case .notClass64:
            .init(
                .wrongKind, "EI_CLASS is %d: a 32-bit file (2, ELFCLASS64, is needed)",
                "build the application for x86-64")
        case .notLittleEndian:
            .init(
                .wrongKind, "EI_DATA is %d: not little endian (1, ELFDATA2LSB, is needed)",
                "build the application for x86-64")
        case .badIdentVersion: .init(.malformed, "EI_VERSION is %d, not 1", "the file is damaged")
        case .wrongMachine: .init(.wrongKind, "e_machine is %d, not 62 (x86-64)", "build the application for x86-64")
        case .objectFile:
            .init(
                .wrongKind, "e_type is ET_REL: an object file, where a linked file is needed", "link it")
        case .coreFile:
            .init(.wrongKind, "e_type is ET_CORE: a core dump, not an application", "give -initrd the application")
        case .unknownFileType:
            .init(.wrongKind, "e_type is %d, not ET_EXEC (2) or ET_DYN (3)", "link the application as an executable")
        case .badVersion: .init(.malformed, "e_version is %d, not 1", "the file is damaged")
        case .badHeaderSize: .init(.malformed, "e_ehsize is %d, less than %m", "the file is damaged")
        case .badProgramHeaderSize: .init(.malformed, "e_phentsize is %d, not %m", "the file is damaged")
        case .badSectionHeaderSize: .init(.malformed, "e_shentsize is %d, not %m", "the file is damaged")
        case .programHeadersBeyondFile:
            .init(
                .malformed, "the program headers end at %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .noProgramHeaders:
            .init(
                .wrongKind, "there are no program headers, so nothing to load", "link the application as an executable")
        case .noSectionHeaderForCount:
            .init(
                .malformed, "e_phnum is PN_XNUM, but there is no section header 0 to hold the count",
                "the file is damaged, or was stripped of section headers it needs")
        case .segmentBeyondFile:
            .init(
                .malformed, "its bytes end at file offset %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .segmentFileSizeExceedsMemory: .init(.malformed, "p_filesz %v exceeds p_memsz %l", "the file is damaged")
        case .segmentAddressOverflow:
            .init(
                .malformed, "its memory range does not fit in 64 bits: it starts at %v and is %l bytes long",
                "the file is damaged")
        case .segmentAlignment: .init(.malformed, "p_align is %v, not a power of two", "the file is damaged")
        case .noLoadSegment:
            .init(
                .wrongKind, "there is no PT_LOAD segment, so nothing to load", "link the application as an executable")
        case .segmentsOverlap:
            .init(
                .malformed, "it starts at %v, below the end of an earlier PT_LOAD segment at %l",
                "PT_LOAD segments must ascend and not overlap: fix the linker script")
        case .imageTooLarge:
            .init(
                .placement, "the image needs %v bytes of memory; at most %l can be placed",
                "give the machine more memory, or check the linker script for stray addresses")
        case .duplicateSegmentType:
            .init(.malformed, "a second segment of type %v, where one is allowed", "the file is damaged")
        case .needsInterpreter:
            .init(
                .wrongKind,
                "it asks for the program interpreter %n: a program for an operating system, not a unikernel",
                "link the application statically for Hermit")
        case .tlsOutsideImage:
            .init(
                .malformed, "the TLS template at %v is not inside a PT_LOAD segment",
                "the file is damaged, or its linker script is wrong")
        case .entryOutsideImage:
            .init(.malformed, "e_entry %v is not inside a PT_LOAD segment", "link with an entry symbol: -e _start")
        case .bytesListedTwice:
            .init(
                .malformed, "with it, notes or relocations of %v bytes are listed, more than the file's %l",
                "the file is damaged")
        case .noteTruncated:
            .init(.malformed, "a note ends at %v, beyond the end of its segment at %l", "the file is damaged")
        case .entryVersionSize:
            .init(
                .entryContract, "the Hermit entry version note holds %d bytes, not 1",
                "build the application with an unmodified Hermit kernel")
        case .unknownEntryVersion:
            .init(.entryContract, "Hermit entry version %d is not known (1 to %m are)", "use a newer loader")
        case .contradictoryEntryVersion:
            .init(
                .entryContract, "Hermit entry version %d contradicts an earlier note that says %m",
                "the application links two kernels: rebuild it")
        case .abiTagSize:
            .init(
                .entryContract, "the ABI tag note holds %d bytes, fewer than 16",
                "build the application with an unmodified Hermit kernel")
        case .abiTagNotHermit:
            .init(
                .entryContract, "the ABI tag names operating system %d, not 6 (Hermit)",
                "this program was built for another operating system")
        case .missingEntryVersion:
            .init(
                .entryContract,
                "there is no Hermit entry version note, and EI_OSABI is %d, not 255 as in Hermit images before 0.4.3",
                "build the application for Hermit, or say -initrd \"APPLICATION loader.generation=0\"")
        case .unknownLoaderOption:
            .init(
                .options, "unknown loader option, from here: %n",
                """
                there are loader.generation=0, 1, 2, 3, 4-recursive or 4-identity, loader.sha256= and a digest, loader.base= \
                and an address, and loader. before align16, protect, no-protect, kaslr, quiet and verbose
                """)
        case .baseMalformed:
            .init(
                .options, "no number behind loader.base=, from here: %n",
                "write the address in decimal, or in hexadecimal behind 0x")
        case .baseMisaligned:
            .init(
                .options, "loader.base: %v is not a multiple of %l, which the image needs", "give one that is")
        case .baseOutsideMemory:
            .init(
                .options, "loader.base: the image would lie at %v up to %l, which is not all RAM below 4 GiB",
                "give another address, or the machine more memory (-m)")
        case .baseTooHigh:
            .init(
                .options,
                "loader.base: the image would end at %v, and kernels of this entry version must end at or below %l",
                "give a lower address")
        case .baseOfFixedImage:
            .init(
                .options, "loader.base: the file is linked at a fixed address, %l, and cannot be placed at %v",
                "leave the option out, or link the application position independent (-pie)")
        case .randomPlaceOfFixedImage:
            .init(
                .options, "loader.kaslr: the file is linked at a fixed address, %v, and cannot be placed elsewhere",
                "leave the option out, or link the application position independent (-pie)")
        case .digestMalformed:
            .init(
                .options, "not 64 hexadecimal digits behind loader.sha256=, from here: %n",
                "take the digits that sha256sum prints for the file")
        case .digestDiffers:
            .init(
                .options, "the file's SHA-256 begins with %v, but the one asked for with loader.sha256= begins with %l",
                "this is not the file that was meant, or the option is for another version of it")
        case .alignmentOptionMisplaced:
            .init(
                .options, "loader.align16 is for entry versions 2 and 3, and this application's is %d",
                "leave the option out, or add loader.generation=2 or 3")
        case .dynamicMisaligned:
            .init(.malformed, "PT_DYNAMIC is %d bytes long, not a multiple of 16", "the file is damaged")
        case .dynamicAddressOutsideFile:
            .init(
                .malformed, "the table at address %v, %l bytes long, is not inside the bytes of a PT_LOAD segment",
                "the file is damaged")
        case .dynamicMissing: .init(.malformed, "it is missing, but another entry needs it", "the file is damaged")
        case .badEntrySize: .init(.malformed, "the entry size is %d, not %m", "the file is damaged")
        case .tableSizeNotMultiple:
            .init(.malformed, "the table is %d bytes long, not a multiple of %m", "the file is damaged")
        case .badPLTRelocationKind:
            .init(.malformed, "it is %d, neither DT_RELA (7) nor DT_REL (17)", "the file is damaged")
        case .needsLibrary:
            .init(
                .wrongKind, "no module is given for what it needs: %n",
                "add shared libraries, -initrd \"APPLICATION,LIBRARY\", or link the application statically")
        case .hashTableMalformed: .init(.malformed, "the hash table does not fit in its segment", "the file is damaged")
        case .relocationTypeUnknown:
            .init(
                .relocation, "relocation type %d, wanted at %a against %n, is not one of the psABI's (0 to 51)",
                "the file is damaged, or comes from a newer toolchain")
        case .relocationOnlyInObjects:
            .init(
                .relocation, "%t (type %d) at %a against %n: linkers resolve this type, it cannot be in a linked file",
                "the file is damaged: link it again")
        case .relocationOutsideImage:
            .init(
                .relocation, "%t against %n: the place %v is not inside the image, which ends at %l",
                "the file is damaged")
        case .relocationOverflow:
            .init(
                .relocation, "%t at %a: the value %v of %n is beyond what the field can hold, %l",
                "link the application at a lower address, or as position independent code")
        case .copyWithoutSource:
            .init(
                .relocation, "%t at %a: no other file defines %n, so there is nothing to copy",
                "link what defines it into the application")
        case .symbolNotThreadLocal:
            .init(
                .relocation, "%t at %a needs a thread-local symbol, but %n has type %d",
                "one file declares it thread-local and another does not: fix the sources")
        case .noThreadLocalSegment:
            .init(.relocation, "%t at %a against %n, but there is no PT_TLS segment", "the file is damaged")
        case .tlsBeforeImage:
            .init(
                .malformed, "the TLS template at %v, aligned to %l, would begin before the image",
                "align the TLS section in the linker script")
        case .relativeCountWrong:
            .init(
                .relocation, "%t at %a is among the %m entries that DT_RELACOUNT says are R_X86_64_RELATIVE",
                "the file is damaged: link it again")
        case .resolverOutsideImage:
            .init(
                .relocation, "%t at %a against %n: the resolver at %v is not inside the image, which ends at %l",
                "the file is damaged")
        case .resolverOutOfPlace:
            .init(
                .relocation, "%t at %a: its resolver at %v cannot run before the image has replaced the loader",
                "link the application at an address above the loader's")
        case .symbolIndexOutsideTable:
            .init(.relocation, "symbol index %d is outside the symbol table of %m entries", "the file is damaged")
        case .symbolUndefined:
            .init(.relocation, "undefined: %n, wanted at %v", "link what defines it into the application")
        case .symbolThreadLocal:
            .init(
                .relocation, "%t at %a needs an address, but %n is thread-local",
                "one file declares it thread-local and another does not: fix the sources")
        case .relativeRelocationMisplaced: .init(.relocation, "a RELR bitmap before any address", "the file is damaged")
        case .noRoomForImage:
            .init(
                .placement, "no free memory for the image: it needs %v bytes, and the largest free range has %l",
                "give the machine more memory (-m)")
        case .imageOutsideMemory:
            .init(
                .placement, "the image must lie at %v up to %l, which is not all RAM",
                "give the machine more memory (-m), or link the application elsewhere")
        case .noRoomForHandoff:
            .init(
                .placement, "no free memory for the page tables, stack and BootInfo: %v bytes",
                "give the machine more memory (-m)")
        case .noRoomForModule:
            .init(
                .placement,
                "the image must lie where the module is, and there is no other place for the module's %v bytes",
                "give the machine more memory (-m)")
        case .pageTableRoom:
            .init(.placement, "the page tables need more than the %d pages set aside for them", "please report it")
        case .deviceTreeRoom:
            .init(
                .placement, "the device tree needs more than the %d bytes set aside for it", "shorten the command line")
        case .memoryTooSmall: .init(.placement, "the machine has no usable memory", "give the machine more memory (-m)")
        case .unknownBootProtocol:
            .init(
                .platform, "the loader was started with the magic number %v, by neither Multiboot nor PVH",
                "start it with QEMU's -kernel, or as a PVH kernel")
        case .platformStructureOutsideMemory:
            .init(
                .platform, "the firmware's structure of %l bytes at %v is not in memory that can be read",
                "the boot loader or virtual machine monitor is at fault")
        case .noMemoryMap:
            .init(
                .platform, "the firmware gave no memory map", "the boot loader or virtual machine monitor is at fault")
        case .memoryMapMalformed:
            .init(
                .platform, "the memory map has an entry of %d bytes, fewer than %m",
                "the boot loader or virtual machine monitor is at fault")
        case .tooManyRegions: .init(.platform, "the memory map has more than %m entries", "please report it")
        case .tooManyModules: .init(.platform, "there are %d modules; at most %m are supported", "give fewer modules")
        case .tooManyReservations: .init(.platform, "more than %m reserved ranges", "please report it")
        case .moduleOutsideMemory:
            .init(
                .platform, "the module at %v up to %l is not in memory that can be read",
                "the boot loader or virtual machine monitor is at fault")
        case .commandLineTooLong: .init(.platform, "the command line is longer than %m bytes", "shorten it")
        case .badStartInfo:
            .init(
                .platform, "the PVH start info has magic %v, not 0x336ec578", "the virtual machine monitor is at fault")
        case .noSectionHeaders:
            .init(
                .malformed, "an object file without section headers: nothing says what to load",
                "the file was stripped of what it needs: build it again")
        case .sectionHeadersBeyondFile:
            .init(
                .malformed, "the section headers end at %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .sectionBeyondFile:
            .init(
                .malformed, "the section's bytes end at file offset %v, beyond the file's end at %l",
                "the file was cut short: copy or build it again")
        case .sectionAlignment: .init(.malformed, "sh_addralign is %v, not a power of two", "the file is damaged")
        case .sectionTooLarge:
            .init(.malformed, "behind address %v there is no room for its %l bytes", "the file is damaged")
        case .sectionCompressed:
            .init(.malformed, "SHF_COMPRESSED together with SHF_ALLOC, which the gABI forbids", "the file is damaged")
        case .badSectionLink:
            .init(
                .malformed, "it refers to section %d, which is not the one that it needs (there are %m)",
                "the file is damaged")
        case .noSymbolTable:
            .init(
                .wrongKind, "an object file without a symbol table: nothing says where it begins",
                "the file was stripped of what it needs: build it again")
        case .commonAlignment:
            .init(
                .malformed, "the common symbol's alignment, its st_value, is %v, not a power of two",
                "the file is damaged")
        case .entrySymbolMissing:
            .init(
                .wrongKind, "no section of the object file defines the global symbol '_start', the entry point",
                "define _start, or combine the object files with ld -r")
        case .entryOutsideSection:
            .init(
                .malformed, "'_start' is at offset %v, not inside the %l bytes in memory of its section",
                "the file is damaged")
        case .relocationOnlyInLinkedFiles:
            .init(
                .relocation,
                "%t (type %d) at %a against %n: only linkers make this type, it cannot be in an object file",
                "the file is damaged: compile it again")
        case .relocationOutsideSection:
            .init(
                .relocation, "%t against %n: the place %v is not inside its section, which ends at %l",
                "the file is damaged")
        case .compactRelocationsMalformed:
            .init(
                .malformed,
                "the number at offset %v of the %l bytes of compact relocations is cut off, or has more than 64 bits",
                "the file is damaged, or another version of LLVM made it")
        case .tooManySectionNames:
            .init(
                .wrongKind,
                "%t at %a against %n: more than %m symbols are named for where sections begin or end",
                "link the application")
        case .tooManyPriorities:
            .init(
                .wrongKind, "the sections of initialisers have more than %m different priorities",
                "link the application")
        case .symbolNotLoaded:
            .init(
                .relocation, "%t at %a against %n, which is in section %d: that is not in memory at run time",
                "keep what runs and what describes it, such as debug information, in sections of their own")
        case .symbolSectionUnknown:
            .init(
                .relocation, "%t at %a against %n, which is in section %d: there are %m sections",
                "the file is damaged")
        case .sectionsApart:
            .init(
                .relocation, "%t at %a against %n: the sections of this name do not lie side by side",
                "make one of them: ld -r")
        case .tlsSequenceUnknown:
            .init(
                .relocation,
                "%t at %a against %n: the code is none of the psABI's sequences, and no __tls_get_addr is defined",
                "compile with -ftls-model=local-exec")
        case .notSharedObject:
            .init(
                .wrongKind, "e_type is ET_EXEC: a file linked at a fixed address, where a shared object is needed",
                "link the library with -shared")
        case .versionMissing:
            .init(
                .relocation, "%n: a symbol wants a version that the library named last does not define",
                "give -initrd the library that the application was linked with")
        case .symbolVersionMissing:
            .init(
                .relocation, "undefined: %n, wanted at %v: the library named last has no such symbol of that version",
                "give -initrd the library that the application was linked with")
        case .copyOutsideImage:
            .init(
                .relocation, "%t at %a: the original of %n at %v is not inside its image, which ends at %l",
                "the file is damaged")
        case .versionTableMalformed:
            .init(.malformed, "the version entry at %v does not fit in its table of %l bytes", "the file is damaged")
        case .symbolSearchTooLong:
            .init(
                .malformed, "symbols are not found in %d steps: the hash or version tables lead nowhere",
                "the file is damaged")
        case .arrayOutsideImage:
            .init(
                .malformed, "the array of initialisers or finalisers at %v is not inside the image, which ends at %l",
                "the file is damaged")
        case .cpuException: .init(.exception, "CPU exception %d at %l", "the application or the loader is at fault")
        }
    }
}
