// ACPI's tables, with the specification's names (ACPI 6.5, chapter 5.2).

public import Bytes

/// ACPI's tables.
public enum ACPI {
    /// The root pointer, RSDP (5.2.5.3).
    public enum RootPointer {
        /// `RSD PTR `.
        public static var signature: StructureField<UInt64> { .init(0) }
        /// The value of `signature`.
        public static var signatureValue: UInt64 { 0x2052_5450_2044_5352 }
        /// The version: 0 for version 1 of ACPI, 2 for later ones.
        public static var revision: StructureField<UInt8> { .init(15) }
        /// The revision of the versions of ACPI that have `xsdtAddress`.
        public static var revisionWithXSDT: UInt8 { 2 }
        /// The address of the table RSDT.
        public static var rsdtAddress: StructureField<UInt32> { .init(16) }
        /// The size in version 1, which is the part that its checksum covers.
        public static var sizeOfVersion1: UInt64 { 20 }
        /// The address of the table XSDT, from revision 2 on.
        public static var xsdtAddress: StructureField<UInt64> { .init(24) }
        /// The size from revision 2 on.
        public static var size: UInt64 { 36 }
        /// Its alignment in the places of a BIOS, in which it is searched for (5.2.5.1).
        public static var alignment: UInt64 { 16 }
        /// The number of bytes of the extended BIOS data area in which it may lie.
        public static var extendedDataSearched: UInt64 { 1024 }
    }

    /// The header of every table (5.2.6).
    public enum TableHeader {
        /// The table's name, four letters.
        public static var signature: StructureField<UInt32> { .init(0) }
        /// The size of that name.
        public static var signatureSize: UInt64 { 4 }
        /// The table's size, this header included.
        public static var length: StructureField<UInt32> { .init(4) }
        /// The header's size. In RSDT and XSDT, the addresses of tables follow.
        public static var size: UInt64 { 36 }
    }

    /// The table MADT (5.2.12): interrupt controllers, each with a type and a size.
    public enum InterruptControllers {
        /// Its name, `APIC`.
        public static var signatureValue: UInt32 { 0x4349_5041 }
        /// The offset of the first entry in the table.
        public static var entries: UInt64 { 44 }
        /// An entry's type.
        public static var type: StructureField<UInt8> { .init(0) }
        /// An entry's size.
        public static var length: StructureField<UInt8> { .init(1) }
        /// The size of both.
        public static var leastSize: UInt8 { 2 }
        /// The type of a processor's local APIC (5.2.12.2), and the flags in its entry.
        public static var localAPIC: UInt8 { 0 }
        /// See `localAPIC`.
        public static var localAPICFlags: StructureField<UInt32> { .init(4) }
        /// The type of a processor's local x2APIC (5.2.12.12), and the flags in its entry.
        public static var localX2APIC: UInt8 { 9 }
        /// See `localX2APIC`.
        public static var localX2APICFlags: StructureField<UInt32> { .init(8) }
        /// The flag of a processor that can be used.
        public static var enabled: UInt32 { 1 << 0 }
    }
}
