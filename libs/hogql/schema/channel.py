"""Which way a visitor came, as PostHog tells it: paid first, then what a person typed, then everything else."""

_CHANNEL = """
multiIf(
    match(ifNull(lower({campaign}), ''), 'cross-network'), 'Cross Network',
    ifNull(lower({medium}), '') in ('cpc', 'cpm', 'cpv', 'cpa', 'ppc', 'retargeting')
        or startsWith(ifNull(lower({medium}), ''), 'paid') or {gclid} is not null or {gad_source} is not null,
    coalesce(
        lookupPaidSourceType({source}),
        if(match(ifNull(lower({campaign}), ''), '^(.*(([^a-df-z]|^)shop|shopping).*)$'), 'Paid Shopping', null),
        lookupPaidMediumType({medium}),
        lookupPaidSourceType({domain}),
        if({gad_source} = '1', 'Paid Search', null),
        if(match(ifNull(lower({campaign}), ''), '^(.*video.*)$'), 'Paid Video', null),
        if({fbclid} is not null, 'Paid Social', null),
        'Paid Unknown'
    ),
    {domain} = '$direct' and {medium} is null and {fbclid} is null
        and ({source} is null or lower({source}) in ('(direct)', 'direct', '$direct')), 'Direct',
    coalesce(
        lookupOrganicSourceType({source}),
        if(match(ifNull(lower({campaign}), ''), '^(.*(([^a-df-z]|^)shop|shopping).*)$'), 'Organic Shopping', null),
        lookupOrganicMediumType({medium}),
        lookupOrganicSourceType({domain}),
        if(match(ifNull(lower({campaign}), ''), '^(.*video.*)$'), 'Organic Video', null),
        if(match(ifNull(lower({medium}), ''), 'push$'), 'Push', null),
        if({fbclid} is not null, 'Organic Social', null),
        if({domain} = '$direct', 'Direct', null),
        if({domain} is not null, 'Referral', null),
        'Unknown'
    )
)
"""


def channel_type(**inputs: str) -> str:
    """HogQL for the channel, of HogQL for campaign, medium, source, domain, gclid, gad_source and fbclid."""
    return _CHANNEL.format(**inputs)
