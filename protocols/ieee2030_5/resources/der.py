"""Distributed energy resources: programs, controls, curves, and what a device says of itself.

IEEE 2030.5-2018, function set DER; the elements of CSIP-AUS 1.2 are optional fields at the end.
"""

from protocols.ieee2030_5.resources.elements import (
    ActivePower,
    AmpereHour,
    ApparentPower,
    CurrentRMS,
    IdentifiedObject,
    Link,
    List,
    ListLink,
    PerCent,
    PowerFactor,
    PowerFactorWithExcitation,
    PowerOfTenMultiplierType,
    RandomizableEvent,
    ReactivePower,
    ReactiveSusceptance,
    Resource,
    SignedPerCent,
    SubscribableIdentifiedObject,
    SubscribableList,
    SubscribableResource,
    TimeType,
    VoltageRMS,
    WattHour,
)
from protocols.ieee2030_5.scalars import (
    HexBinary8,
    HexBinary32,
    Int16,
    Int32,
    String6,
    UInt8,
    UInt16,
    UInt32,
)
from protocols.ieee2030_5.xml import Part, element


@element("refType value")
class FixedVar(Part):
    """Reactive power as a share of what the reference type names."""

    ref_type: UInt8
    value: SignedPerCent


@element("dBOF dBUF kOF kUF openLoopTms")
class FreqDroopType(Part):
    """Frequency droop: dead bands, slopes, open loop response time."""

    d_bof: UInt32
    d_buf: UInt32
    k_of: UInt16
    k_uf: UInt16
    open_loop_tms: UInt16


@element(
    "opModConnect opModEnergize opModFixedPFAbsorbW opModFixedPFInjectW opModFixedVar opModFixedW"
    " opModFreqDroop opModFreqWatt opModHFRTMayTrip opModHFRTMustTrip opModHVRTMayTrip"
    " opModHVRTMomentaryCessation opModHVRTMustTrip opModLFRTMayTrip opModLFRTMustTrip"
    " opModLVRTMayTrip opModLVRTMomentaryCessation opModLVRTMustTrip opModMaxLimW opModTargetVar"
    " opModTargetW opModVoltVar opModVoltWatt opModWattPF opModWattVar rampTms"
    " csipaus:opModImpLimW csipaus:opModExpLimW csipaus:opModGenLimW csipaus:opModLoadLimW"
)
class DERControlBase(Part):
    """What a control asks for; a mode that is not there is not asked for."""

    op_mod_connect: bool | None = None
    op_mod_energize: bool | None = None
    op_mod_fixed_pf_absorb_w: PowerFactorWithExcitation | None = None
    op_mod_fixed_pf_inject_w: PowerFactorWithExcitation | None = None
    op_mod_fixed_var: FixedVar | None = None
    op_mod_fixed_w: SignedPerCent | None = None
    op_mod_freq_droop: FreqDroopType | None = None
    op_mod_freq_watt: Link | None = None
    op_mod_hfrt_may_trip: Link | None = None
    op_mod_hfrt_must_trip: Link | None = None
    op_mod_hvrt_may_trip: Link | None = None
    op_mod_hvrt_momentary_cessation: Link | None = None
    op_mod_hvrt_must_trip: Link | None = None
    op_mod_lfrt_may_trip: Link | None = None
    op_mod_lfrt_must_trip: Link | None = None
    op_mod_lvrt_may_trip: Link | None = None
    op_mod_lvrt_momentary_cessation: Link | None = None
    op_mod_lvrt_must_trip: Link | None = None
    op_mod_max_lim_w: PerCent | None = None
    op_mod_target_var: ReactivePower | None = None
    op_mod_target_w: ActivePower | None = None
    op_mod_volt_var: Link | None = None
    op_mod_volt_watt: Link | None = None
    op_mod_watt_pf: Link | None = None
    op_mod_watt_var: Link | None = None
    ramp_tms: UInt16 | None = None
    op_mod_imp_lim_w: ActivePower | None = None
    op_mod_exp_lim_w: ActivePower | None = None
    op_mod_gen_lim_w: ActivePower | None = None
    op_mod_load_lim_w: ActivePower | None = None


@element("DERControlBase deviceCategory")
class DERControl(RandomizableEvent):
    """A control with a beginning and an end."""

    der_control_base: DERControlBase
    device_category: HexBinary32 | None = None


@element("DERControl")
class DERControlList(SubscribableList):
    """Controls of a program."""

    der_control: tuple[DERControl, ...] = ()


@element(
    "DERControlBase setESDelay setESHighFreq setESHighVolt setESLowFreq setESLowVolt setESRampTms"
    " setESRandomDelay setGradW setSoftGradW"
)
class DefaultDERControl(SubscribableIdentifiedObject):
    """What holds while no control does."""

    der_control_base: DERControlBase
    set_es_delay: UInt32 | None = None
    set_es_high_freq: UInt16 | None = None
    set_es_high_volt: Int16 | None = None
    set_es_low_freq: UInt16 | None = None
    set_es_low_volt: Int16 | None = None
    set_es_ramp_tms: UInt32 | None = None
    set_es_random_delay: UInt32 | None = None
    set_grad_w: UInt16 | None = None
    set_soft_grad_w: UInt16 | None = None


@element("excitation xvalue yvalue")
class CurveData(Part):
    """A point of a curve."""

    excitation: bool | None = None
    xvalue: Int32
    yvalue: Int32


@element(
    "autonomousVRefEnable autonomousVRefTimeConstant creationTime CurveData curveType openLoopTms"
    " rampDecTms rampIncTms rampPT1Tms vRef xMultiplier yMultiplier yRefType"
)
class DERCurve(IdentifiedObject):
    """A curve of at most ten points."""

    autonomous_v_ref_enable: bool | None = None
    autonomous_v_ref_time_constant: UInt32 | None = None
    creation_time: TimeType
    curve_data: tuple[CurveData, ...]
    curve_type: UInt8
    open_loop_tms: UInt16 | None = None
    ramp_dec_tms: UInt16 | None = None
    ramp_inc_tms: UInt16 | None = None
    ramp_pt1_tms: UInt16 | None = None
    v_ref: PerCent | None = None
    x_multiplier: PowerOfTenMultiplierType
    y_multiplier: PowerOfTenMultiplierType
    y_ref_type: UInt8


@element("DERCurve")
class DERCurveList(List):
    """Curves of a program."""

    der_curve: tuple[DERCurve, ...] = ()


@element(
    "ActiveDERControlListLink DefaultDERControlLink DERControlListLink DERCurveListLink primacy"
)
class DERProgram(SubscribableIdentifiedObject):
    """Controls of one authority; the lower primacy wins."""

    active_der_control_list_link: ListLink | None = None
    default_der_control_link: Link | None = None
    der_control_list_link: ListLink | None = None
    der_curve_list_link: ListLink | None = None
    primacy: UInt8


@element("DERProgram @pollRate")
class DERProgramList(SubscribableList):
    """Programs of a function set assignment."""

    der_program: tuple[DERProgram, ...] = ()
    poll_rate: UInt32 | None = None


@element(
    "AssociatedDERProgramListLink AssociatedUsagePointLink CurrentDERProgramLink"
    " DERAvailabilityLink DERCapabilityLink DERSettingsLink DERStatusLink"
)
class DER(SubscribableResource):
    """One resource of a device and where it is described."""

    associated_der_program_list_link: ListLink | None = None
    associated_usage_point_link: Link | None = None
    current_der_program_link: Link | None = None
    der_availability_link: Link | None = None
    der_capability_link: Link | None = None
    der_settings_link: Link | None = None
    der_status_link: Link | None = None


@element("DER @pollRate")
class DERList(List):
    """Resources of a device."""

    der: tuple[DER, ...] = ()
    poll_rate: UInt32 | None = None


@element(
    "modesSupported rtgAbnormalCategory rtgMaxA rtgMaxAh rtgMaxChargeRateVA rtgMaxChargeRateW"
    " rtgMaxDischargeRateVA rtgMaxDischargeRateW rtgMaxV rtgMaxVA rtgMaxVar rtgMaxVarNeg rtgMaxW"
    " rtgMaxWh rtgMinPFOverExcited rtgMinPFUnderExcited rtgMinV rtgNormalCategory"
    " rtgOverExcitedPF rtgOverExcitedW rtgReactiveSusceptance rtgUnderExcitedPF rtgUnderExcitedW"
    " rtgVNom type csipaus:doeModesSupported"
)
class DERCapability(Resource):
    """What a resource can by its name plate."""

    modes_supported: HexBinary32
    rtg_abnormal_category: UInt8 | None = None
    rtg_max_a: CurrentRMS | None = None
    rtg_max_ah: AmpereHour | None = None
    rtg_max_charge_rate_va: ApparentPower | None = None
    rtg_max_charge_rate_w: ActivePower | None = None
    rtg_max_discharge_rate_va: ApparentPower | None = None
    rtg_max_discharge_rate_w: ActivePower | None = None
    rtg_max_v: VoltageRMS | None = None
    rtg_max_va: ApparentPower | None = None
    rtg_max_var: ReactivePower | None = None
    rtg_max_var_neg: ReactivePower | None = None
    rtg_max_w: ActivePower
    rtg_max_wh: WattHour | None = None
    rtg_min_pf_over_excited: PowerFactor | None = None
    rtg_min_pf_under_excited: PowerFactor | None = None
    rtg_min_v: VoltageRMS | None = None
    rtg_normal_category: UInt8 | None = None
    rtg_over_excited_pf: PowerFactor | None = None
    rtg_over_excited_w: ActivePower | None = None
    rtg_reactive_susceptance: ReactiveSusceptance | None = None
    rtg_under_excited_pf: PowerFactor | None = None
    rtg_under_excited_w: ActivePower | None = None
    rtg_v_nom: VoltageRMS | None = None
    type: UInt8
    doe_modes_supported: HexBinary8 | None = None


@element(
    "modesEnabled setESDelay setESHighFreq setESHighVolt setESLowFreq setESLowVolt setESRampTms"
    " setESRandomDelay setGradW setMaxA setMaxAh setMaxChargeRateVA setMaxChargeRateW"
    " setMaxDischargeRateVA setMaxDischargeRateW setMaxV setMaxVA setMaxVar setMaxVarNeg setMaxW"
    " setMaxWh setMinPFOverExcited setMinPFUnderExcited setMinV setSoftGradW setVNom setVRef"
    " setVRefOfs updatedTime csipaus:doeModesEnabled"
)
class DERSettings(SubscribableResource):
    """What a resource is set to."""

    modes_enabled: HexBinary32 | None = None
    set_es_delay: UInt32 | None = None
    set_es_high_freq: UInt16 | None = None
    set_es_high_volt: Int16 | None = None
    set_es_low_freq: UInt16 | None = None
    set_es_low_volt: Int16 | None = None
    set_es_ramp_tms: UInt32 | None = None
    set_es_random_delay: UInt32 | None = None
    set_grad_w: UInt16
    set_max_a: CurrentRMS | None = None
    set_max_ah: AmpereHour | None = None
    set_max_charge_rate_va: ApparentPower | None = None
    set_max_charge_rate_w: ActivePower | None = None
    set_max_discharge_rate_va: ApparentPower | None = None
    set_max_discharge_rate_w: ActivePower | None = None
    set_max_v: VoltageRMS | None = None
    set_max_va: ApparentPower | None = None
    set_max_var: ReactivePower | None = None
    set_max_var_neg: ReactivePower | None = None
    set_max_w: ActivePower
    set_max_wh: WattHour | None = None
    set_min_pf_over_excited: PowerFactor | None = None
    set_min_pf_under_excited: PowerFactor | None = None
    set_min_v: VoltageRMS | None = None
    set_soft_grad_w: UInt16 | None = None
    set_v_nom: VoltageRMS | None = None
    set_v_ref: VoltageRMS | None = None
    set_v_ref_ofs: VoltageRMS | None = None
    updated_time: TimeType
    doe_modes_enabled: HexBinary8 | None = None


@element("dateTime value")
class ConnectStatusType(Part):
    """Bits: connected, available, operating, test, fault."""

    date_time: TimeType
    value: HexBinary8


@element("dateTime value")
class StatusValue(Part):
    """A number of the standard's table and since when it holds."""

    date_time: TimeType
    value: UInt8


@element("dateTime value")
class ManufacturerStatusType(Part):
    """A word of the manufacturer and since when it holds."""

    date_time: TimeType
    value: String6


@element("dateTime value")
class StateOfChargeStatusType(Part):
    """State of charge in hundredths of a percent."""

    date_time: TimeType
    value: PerCent


@element(
    "alarmStatus genConnectStatus inverterStatus localControlModeStatus manufacturerStatus"
    " operationalModeStatus readingTime stateOfChargeStatus storageModeStatus storConnectStatus"
)
class DERStatus(SubscribableResource):
    """What a resource does now."""

    alarm_status: HexBinary32 | None = None
    gen_connect_status: ConnectStatusType | None = None
    inverter_status: StatusValue | None = None
    local_control_mode_status: StatusValue | None = None
    manufacturer_status: ManufacturerStatusType | None = None
    operational_mode_status: StatusValue | None = None
    reading_time: TimeType
    state_of_charge_status: StateOfChargeStatusType | None = None
    storage_mode_status: StatusValue | None = None
    stor_connect_status: ConnectStatusType | None = None


@element(
    "availabilityDuration maxChargeDuration readingTime reserveChargePercent reservePercent"
    " statVarAvail statWAvail"
)
class DERAvailability(SubscribableResource):
    """How much a resource could do, and for how long."""

    availability_duration: UInt32 | None = None
    max_charge_duration: UInt32 | None = None
    reading_time: TimeType
    reserve_charge_percent: PerCent | None = None
    reserve_percent: PerCent | None = None
    stat_var_avail: ReactivePower | None = None
    stat_w_avail: ActivePower | None = None
