// Every rule that a boot can break, and the class of each, which decides the exit status.

/// A rule of the ELF specification, of the psABI, of a boot protocol or of the Hermit entry contract.
///
/// A new rule is a case here, and its words in RuleWords.swift.
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
    case symbolVersionMissing, copyOutsideImage, relocationFormUnknown, optionMisplaced
    case memoryBeyondAddresses
    case optionForKernel, optionAfterOthers
    case setupDataEndless, tagMalformed
    case imageOverFirmware, imageOverTables, imageOverNonVolatile, imageOverDefective
    case entryWithoutBytes, entryInHeader, entryNotExecutable, debuggingInformationOnly, imageAboveReach
    case gzipHeaderUnknown, gzipTruncated, gzipChecksum, gzipTrailingBytes
    case deflateBlockUnknown, deflateStoredLength, deflateCodeLengths, deflateSymbolUnknown, deflateDistance
    case tarTruncated, tarChecksum, tarNumber, tarRecord, tarEntryUnknown, tarPathOutside
    case configurationMissing, configurationSyntax, configurationKey, configurationValue, configurationIncomplete
    case configurationVersion, kernelNotInArchive
    case archiveTooLarge, memoryBelowRequirement, processorsBelowRequirement

    /// The class of the rule, which decides the exit status.
    public var kind: Kind { words.kind }

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

        /// The value that the loader writes to the port of isa-debug-exit, 0xf4.
        public var debugExitValue: UInt8 { rawValue }
        /// The status that QEMU then exits with: twice the value written, plus one.
        public var status: Int32 { Int32(rawValue) * 2 + 1 }
        /// The meaning, in a few words.
        public var meaning: Text {
            switch self {
            case .noApplication: "no application was given"
            case .malformed: "the file is damaged or breaks the ELF specification"
            case .wrongKind: "a sound ELF file, but not one that can boot here"
            case .entryContract: "the Hermit notes are missing, contradictory or unknown"
            case .relocation: "a relocation cannot be applied"
            case .placement: "memory is too small, or not free where it is needed"
            case .platform: "the firmware's information is missing or unusable"
            case .options: "an option for the loader is unknown or contradicts the application"
            case .exception: "the CPU raised an exception before the application handled its own"
            }
        }
    }
}
