<!-- The census mapping as a transformation to JSON lines; VERSION and the code lists are put in
     when it is loaded. Days are looked at by their shape, codes by their list, ids are those of the engine; no extras. -->
<xsl:stylesheet version="VERSION" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="text" encoding="UTF-8"/>
  <xsl:strip-space elements="*"/>

  <xsl:template match="/Message">
    <xsl:apply-templates select="Children/Child"/>
  </xsl:template>

  <xsl:template match="Child">
    <xsl:text>{"source":{"link":"cin_census"</xsl:text>
    <xsl:apply-templates select="ChildIdentifiers/LAchildID" mode="text"><xsl:with-param name="as">id</xsl:with-param></xsl:apply-templates>
    <xsl:apply-templates select="/Message/Header/CollectionDetails/ReferenceDate" mode="day"><xsl:with-param name="as">as_of</xsl:with-param></xsl:apply-templates>
    <xsl:text>,"edition":"2025"},"person":{</xsl:text>
    <xsl:variable name="person">
      <xsl:apply-templates select="ChildIdentifiers"/>
      <xsl:apply-templates select="ChildCharacteristics"/>
    </xsl:variable>
    <xsl:value-of select="substring($person, 2)"/>
    <xsl:text>}</xsl:text>
    <xsl:if test="CINdetails">
      <xsl:text>,"episodes":[</xsl:text>
      <xsl:for-each select="CINdetails">
        <xsl:if test="position() &gt; 1">,</xsl:if>
        <xsl:apply-templates select="."/>
      </xsl:for-each>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:variable name="meetings" select="CINdetails/Section47[InitialCPCtarget or DateOfInitialCPC]"/>
    <xsl:if test="$meetings">
      <xsl:text>,"conferences":[</xsl:text>
      <xsl:for-each select="$meetings">
        <xsl:if test="position() &gt; 1">,</xsl:if>
        <xsl:variable name="members">
          <xsl:apply-templates select="InitialCPCtarget" mode="day"><xsl:with-param name="as">target</xsl:with-param></xsl:apply-templates>
          <xsl:apply-templates select="DateOfInitialCPC" mode="day"><xsl:with-param name="as">date</xsl:with-param></xsl:apply-templates>
        </xsl:variable>
        <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-c', generate-id(), '&quot;,&quot;enquiry&quot;:&quot;hub-', generate-id(), '&quot;,&quot;episode&quot;:&quot;hub-', generate-id(..), '&quot;', $members, '}')"/>
      </xsl:for-each>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:text>}&#10;</xsl:text>
  </xsl:template>

  <xsl:template match="ChildIdentifiers">
    <xsl:if test="UPN or UPNunknown or FormerUPN">
      <xsl:text>,"identifiers":[</xsl:text>
      <xsl:if test="UPN or UPNunknown">
        <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;,&quot;system&quot;:&quot;upn&quot;,&quot;use&quot;:&quot;current&quot;')"/>
        <xsl:apply-templates select="UPN" mode="text"><xsl:with-param name="as">value</xsl:with-param></xsl:apply-templates>
        <xsl:apply-templates select="UPNunknown" mode="code"><xsl:with-param name="as">missing</xsl:with-param><xsl:with-param name="list"> CODES:upn_unknown </xsl:with-param></xsl:apply-templates>
        <xsl:text>}</xsl:text>
        <xsl:if test="FormerUPN">,</xsl:if>
      </xsl:if>
      <xsl:if test="FormerUPN">
        <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(FormerUPN), '&quot;,&quot;system&quot;:&quot;upn&quot;,&quot;use&quot;:&quot;former&quot;')"/>
        <xsl:apply-templates select="FormerUPN" mode="text"><xsl:with-param name="as">value</xsl:with-param></xsl:apply-templates>
        <xsl:text>}</xsl:text>
      </xsl:if>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:if test="PersonBirthDate or ExpectedPersonBirthDate">
      <xsl:variable name="members">
        <xsl:apply-templates select="PersonBirthDate" mode="day"><xsl:with-param name="as">date</xsl:with-param></xsl:apply-templates>
        <xsl:apply-templates select="ExpectedPersonBirthDate" mode="day"><xsl:with-param name="as">expected</xsl:with-param></xsl:apply-templates>
      </xsl:variable>
      <xsl:value-of select="concat(',&quot;birth&quot;:{', substring($members, 2), '}')"/>
    </xsl:if>
    <xsl:apply-templates select="Sex" mode="code"><xsl:with-param name="as">sex</xsl:with-param><xsl:with-param name="list"> CODES:sex </xsl:with-param></xsl:apply-templates>
    <xsl:apply-templates select="GenderCurrent" mode="code"><xsl:with-param name="as">gender</xsl:with-param><xsl:with-param name="list"> CODES:gender </xsl:with-param></xsl:apply-templates>
    <xsl:if test="PersonDeathDate">
      <xsl:value-of select="concat(',&quot;death&quot;:{&quot;date&quot;:&quot;', PersonDeathDate, '&quot;}')"/>
    </xsl:if>
  </xsl:template>

  <xsl:template match="ChildCharacteristics">
    <xsl:apply-templates select="Ethnicity" mode="code"><xsl:with-param name="as">ethnicity</xsl:with-param><xsl:with-param name="list"> CODES:ethnicity </xsl:with-param></xsl:apply-templates>
    <xsl:if test="Disabilities/Disability">
      <xsl:text>,"disabilities":[</xsl:text>
      <xsl:for-each select="Disabilities/Disability">
        <xsl:if test="position() &gt; 1">,</xsl:if>
        <xsl:if test="contains(' CODES:disability ', concat(' ', ., ' '))">
          <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;,&quot;code&quot;:&quot;', ., '&quot;}')"/>
        </xsl:if>
      </xsl:for-each>
      <xsl:text>]</xsl:text>
    </xsl:if>
  </xsl:template>

  <xsl:template match="CINdetails">
    <xsl:variable name="referral">
      <xsl:apply-templates select="CINreferralDate" mode="day"><xsl:with-param name="as">date</xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="ReferralSource" mode="code"><xsl:with-param name="as">source</xsl:with-param><xsl:with-param name="list"> CODES:referral_source </xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="PrimaryNeedCode" mode="code"><xsl:with-param name="as">need</xsl:with-param><xsl:with-param name="list"> CODES:primary_need </xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="ReferralNFA" mode="boolean"><xsl:with-param name="as">nfa</xsl:with-param></xsl:apply-templates>
    </xsl:variable>
    <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;,&quot;referral&quot;:{', substring($referral, 2), '}')"/>
    <xsl:if test="CINclosureDate or ReasonForClosure">
      <xsl:variable name="closure">
        <xsl:apply-templates select="CINclosureDate" mode="day"><xsl:with-param name="as">date</xsl:with-param></xsl:apply-templates>
        <xsl:apply-templates select="ReasonForClosure" mode="code"><xsl:with-param name="as">reason</xsl:with-param><xsl:with-param name="list"> CODES:closure_reason </xsl:with-param></xsl:apply-templates>
      </xsl:variable>
      <xsl:value-of select="concat(',&quot;closure&quot;:{', substring($closure, 2), '}')"/>
    </xsl:if>
    <xsl:if test="Assessments">
      <xsl:text>,"assessments":[</xsl:text>
      <xsl:apply-templates select="Assessments"/>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:if test="Section47">
      <xsl:text>,"enquiries":[</xsl:text>
      <xsl:apply-templates select="Section47"/>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:if test="CINPlanDates or ChildProtectionPlans">
      <xsl:text>,"plans":[</xsl:text>
      <xsl:apply-templates select="CINPlanDates"/>
      <xsl:if test="CINPlanDates and ChildProtectionPlans">,</xsl:if>
      <xsl:apply-templates select="ChildProtectionPlans"/>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:text>}</xsl:text>
  </xsl:template>

  <xsl:template match="Assessments">
    <xsl:if test="position() &gt; 1">,</xsl:if>
    <xsl:variable name="members">
      <xsl:apply-templates select="AssessmentActualStartDate" mode="day"><xsl:with-param name="as">start</xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="AssessmentInternalReviewDate" mode="day"><xsl:with-param name="as">review</xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="AssessmentAuthorisationDate" mode="day"><xsl:with-param name="as">authorised</xsl:with-param></xsl:apply-templates>
      <xsl:if test="FactorsIdentifiedAtAssessment/AssessmentFactors">
        <xsl:text>,"factors":[</xsl:text>
        <xsl:for-each select="FactorsIdentifiedAtAssessment/AssessmentFactors">
          <xsl:if test="position() &gt; 1">,</xsl:if>
          <xsl:if test="contains(' CODES:assessment_factor ', concat(' ', ., ' '))">
            <xsl:value-of select="concat('&quot;', ., '&quot;')"/>
          </xsl:if>
        </xsl:for-each>
        <xsl:text>]</xsl:text>
      </xsl:if>
    </xsl:variable>
    <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;', $members, '}')"/>
  </xsl:template>

  <xsl:template match="Section47">
    <xsl:if test="position() &gt; 1">,</xsl:if>
    <xsl:variable name="members">
      <xsl:apply-templates select="S47ActualStartDate" mode="day"><xsl:with-param name="as">start</xsl:with-param></xsl:apply-templates>
      <xsl:choose>
        <xsl:when test="ICPCnotRequired = '1' or ICPCnotRequired = 'true'">,"conference_required":false</xsl:when>
        <xsl:when test="ICPCnotRequired = '0' or ICPCnotRequired = 'false'">,"conference_required":true</xsl:when>
      </xsl:choose>
    </xsl:variable>
    <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;', $members, '}')"/>
  </xsl:template>

  <xsl:template match="CINPlanDates">
    <xsl:if test="position() &gt; 1">,</xsl:if>
    <xsl:variable name="period">
      <xsl:apply-templates select="CINPlanStartDate" mode="day"><xsl:with-param name="as">start</xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="CINPlanEndDate" mode="day"><xsl:with-param name="as">end</xsl:with-param></xsl:apply-templates>
    </xsl:variable>
    <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;,&quot;kind&quot;:&quot;cin&quot;,&quot;period&quot;:{', substring($period, 2), '}}')"/>
  </xsl:template>

  <xsl:template match="ChildProtectionPlans">
    <xsl:if test="position() &gt; 1">,</xsl:if>
    <xsl:variable name="period">
      <xsl:apply-templates select="CPPstartDate" mode="day"><xsl:with-param name="as">start</xsl:with-param></xsl:apply-templates>
      <xsl:apply-templates select="CPPendDate" mode="day"><xsl:with-param name="as">end</xsl:with-param></xsl:apply-templates>
    </xsl:variable>
    <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;,&quot;kind&quot;:&quot;cp&quot;,&quot;period&quot;:{', substring($period, 2), '}')"/>
    <xsl:apply-templates select="InitialCategoryOfAbuse" mode="code"><xsl:with-param name="as">initial_category</xsl:with-param><xsl:with-param name="list"> CODES:abuse_category </xsl:with-param></xsl:apply-templates>
    <xsl:apply-templates select="LatestCategoryOfAbuse" mode="code"><xsl:with-param name="as">latest_category</xsl:with-param><xsl:with-param name="list"> CODES:abuse_category </xsl:with-param></xsl:apply-templates>
    <xsl:if test="NumberOfPreviousCPP">
      <xsl:value-of select="concat(',&quot;previous&quot;:', NumberOfPreviousCPP)"/>
    </xsl:if>
    <xsl:if test="Reviews/CPPreviewDate">
      <xsl:text>,"reviews":[</xsl:text>
      <xsl:for-each select="Reviews/CPPreviewDate">
        <xsl:if test="position() &gt; 1">,</xsl:if>
        <xsl:value-of select="concat('{&quot;id&quot;:&quot;hub-', generate-id(), '&quot;')"/>
        <xsl:apply-templates select="." mode="day"><xsl:with-param name="as">date</xsl:with-param></xsl:apply-templates>
        <xsl:text>}</xsl:text>
      </xsl:for-each>
      <xsl:text>]</xsl:text>
    </xsl:if>
    <xsl:text>}</xsl:text>
  </xsl:template>

  <xsl:template match="*" mode="text">
    <xsl:param name="as"/>
    <xsl:value-of select="concat(',&quot;', $as, '&quot;:&quot;', ., '&quot;')"/>
  </xsl:template>

  <xsl:template match="*" mode="day">
    <xsl:param name="as"/>
    <xsl:if test="translate(., '0123456789', '0000000000') = '0000-00-00'">
      <xsl:value-of select="concat(',&quot;', $as, '&quot;:&quot;', ., '&quot;')"/>
    </xsl:if>
  </xsl:template>

  <xsl:template match="*" mode="code">
    <xsl:param name="as"/>
    <xsl:param name="list"/>
    <xsl:if test="contains($list, concat(' ', ., ' '))">
      <xsl:value-of select="concat(',&quot;', $as, '&quot;:&quot;', ., '&quot;')"/>
    </xsl:if>
  </xsl:template>

  <xsl:template match="*" mode="boolean">
    <xsl:param name="as"/>
    <xsl:choose>
      <xsl:when test=". = '1' or . = 'true'"><xsl:value-of select="concat(',&quot;', $as, '&quot;:true')"/></xsl:when>
      <xsl:when test=". = '0' or . = 'false'"><xsl:value-of select="concat(',&quot;', $as, '&quot;:false')"/></xsl:when>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
