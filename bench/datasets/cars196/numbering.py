"""Cars196's two numberings: which number in car_ims/ an image of cars_train/ or cars_test/ has.

Class, part and box name an image in both: but for two images of class 119 in the test half, whose
class and box are the same, so that it does not matter which of the two is which.
"""

import base64

import numpy as np

_TWICE = 118  # the label whose images have two runs of numbers in car_ims/, the second
_AFTER = 121  # after those of this label,
_FIRST = 33  # from its 34th training and its 34th test image on


def car_ims_numbers(labels: np.ndarray, testing: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """The number (N,) int64, from 1, that each image has in car_ims/.

    labels (N,) 0..195, testing (N,) bool and boxes (N, 4), all of the published annotations in
    order of the devkit. car_ims/ is in order of class, training images first; the order within the
    392 halves of classes follows from nothing and is written down in ORDERS.
    """
    by_box = np.lexsort((*boxes.T[::-1], testing, labels))
    sizes = np.bincount(2 * labels + testing)
    ranks = np.empty(len(labels), dtype=np.int64)
    ranks[by_box] = [rank for order in _orders(sizes.tolist()) for rank in order]
    second = (labels == _TWICE) & (ranks >= _FIRST)
    numbers = np.empty(len(labels), dtype=np.int64)
    places = np.lexsort((ranks, testing, np.where(second, _AFTER + 0.5, labels)))
    numbers[places] = np.arange(1, len(labels) + 1)
    return numbers


def _orders(sizes: list[int]) -> list[list[int]]:
    """One permutation of 0..size-1 for each size, from the digits of one number.

    The first digit, of base size, says which of the ranks comes first; the next, of base size - 1,
    which of those left; and so on (a Lehmer code).
    """
    code = int.from_bytes(base64.b85decode(ORDERS))
    orders = []
    for size in sizes:
        left, order = list(range(size)), []
        for base in range(size, 0, -1):
            code, digit = divmod(code, base)
            order.append(left.pop(digit))
        orders.append(order)
    return orders


# Where, in the order of car_ims/, each image is of its half of a class, in order of the box.
ORDERS = (
    "0=WJ1)h=o|G>m0*>QRkO=}c!i5Q-}?KSLy`8rlaxk;4hf8!{WlR%tdTO5Z6j;<;SKVOEqm#nx920r+7KXq~oO1ck+MN32X"
    "EC<Oo>+G~-0grenWJd@xwNzU~doR;X{xe678MGSl73zBYm(-sF+iYHX_h^%l5dDXj39sl%fW5m;l8<1MAG?1Lx0xCtl2ug"
    "1@EZ@u!+gWGFJhr*_)100<avhKQxM$DG|Hc*pWxdAtRi;pPBI)-Rwc>u?<LN&QX?Te|T&zUrjQv>1kw6`=483Ocx|%7n9J"
    "9Q9USx6RRE0r_BxSZu_YeC&(0a)jN>i3bZ)euvz8)5+)x~><E*9fDy;U`$cw1jWiN=lszr<yolck`{)o0+1{VdTk_*~ZX)"
    "XF^POv6y**RywqK?xC**Ns%a0dk0A_Or~=cccN2&0Kkl4iTsk&A&bkg}4`nYu87nT4s~W+YHeu_n5T_tnz;6e(W2z|74cb"
    "#x;>NV{vT%lKVsm>^rru-o1Jh+c#=Pg<INE)nS_+dE^6IDzuRJR#&fk(LnQ_*$R+RiGIS!{A%D|)gZnfOcp)MB3B{+j=wr"
    "`rCO|W-W(DFSebEL&)^nl#+}My)KM_DZ8R7B*GK$FEgsOpHzgyIq&=YKnw5E!!HS!1HVPUpW}^?w?l1KJzkDfCTTyAK{2v"
    "`OHg|7GideZW=NFg#v}T4BV8@5qP^bLYe0NcrUxU7cbp-uZc5=I%Sl`KhTymW_qk{K&0jUz_r6L1pf`tX%%LJq2uM@G^S{"
    "mxpSgnwmAKHlQ8c`T{$*TJ3Dmh$ZTcc?;L8m#ptfGVUx&sP0uSz%oCOzkj#052|cxsor-zWQCDh#P#r^^7g$z59Z{lCRh`"
    "b}jIh_6H17ZFJNj5k_!qT!=xPO-YD@TF0`>v%|ocZ%|~*s~+%pV&HY+QQBzvsqy!Gt6P#E8;({NW*duy@A&@xrTJWW#)Pu"
    "H7(0{UVy3BFU}*e3X3dGbcn`d8~Cp$Iv`hV`W;Z9;B1a?8*d4Mc}3J6Zm-Ry9U#@?d^fVwWV1V65v*_H)E6Frm)XGx`Zh%"
    "UiE6CL5jc(bbfYuH*91+jiP(%k4(^22(xv4*=ra`W-WSDVu4!TZ2yJ%g3mx>HbD=VGb*SHQ$sa-!XPk=^&n0xG<psdf!Ck"
    "b+dau>^SjkJj6d1g3;FYofpS&x4w|qJ36MJ95ac?O*^kx}%%gi($V?I5LI{_R!JBj^8wdUy<tBo-?B9qKPq24@lt+Nmp{6"
    "-4mX<vj0ipZ`x&c1}5t~=Fl@Y3Ie$R|%3O%5}`I17=K6A#cjAES;|cd3;9-d-FG1yx!Cza>c|va8a`IOfDDq<eo+HA*VA&"
    "2!ttIBAtNqXj#jNF<5r4(=*5&VEL~Z9aAXuLpk06Gos+x7=7Sneb;68XPgX6J+KplM8#@qvicijv4lcooGCgv6U_uoN@}G"
    "cT0apNa)-ovoq`t*e4{MBmVIqwE)mWgp;tBgl};bYlYJA{u6sSp+5iDvi{bHmoCw+cP1GKkv}JCRwH-HP9Su(JqYmKOQ*J"
    "xZQAhE;!c-Hg5D}B!!g=FEo)Zpl^wsN5h(>|V6uwI+}wy6^LG9moKIyfwj`ln^7An`q=|HP;0p*(C>`nvrzN>-zgffYp&1"
    "F^sLZ%CI{i$}1&#f;z;LjB#hyl68fJlUI+QgpO+hC+fA4&{(P>kF6F?dXfsSG=nC%0VP5}KQ#rZ~;dFR~!NJNpywNWpuTR"
    "-U%`8G4!>R8S8cW5$89v7H{-iw=MP~yB~dM3p^F`Qo8;#DWZvq{3wry+;A5?kXF0rGL7^?VyOBByJmNrM0&DMSNZ7q#E;b"
    "+4;n5W{8fi2u2gI2gq;;`a@^JKP3rkQkSbL>v7V3lQpKeL$Zf1`@lyG#1BG*G;1WpV3a%$rg|LQRv#FjD>1TqD8;{S+98`"
    "RzLBAejNm1=DHwuo!Wjyt0Q8dD_hIgDld2X)pKwrVH7M6lN0URRd({}{adbv;Qrrj<E?yZurCFe8It+pV|R@l%?C@<pF67"
    "yb*&KgJp(&*LeS{=bPvv6&SzcC7a^iw9N=-h6Su<JI;#{UqwB3M+A_E^YCz{W-#kMuTS<Qt8pKy#5r8?%dmp2a5m*zJZvU"
    "vi1N^Do_*7$32c}zt>Z0Oz>dAbt1+EE!bNZbCV7^k54OLp=*e406XP7Mz3+V65N*`_SdO4`R(q80N<W}98-X0>`7Vym$Vm"
    "BX(+zO!#Gww9(;FZFqUMym9U0NOmc;A3A5J(bhsC6uRP1xZq+zro5$NvisGquBcw+cj|&<K~Uw0B<KSoVddLLlXlCBQazd"
    "@nv!v|@CNbHOtz>v%@}uGEpw@|`<4lOfSO;l-T6C&fh=?9E3emMu;IoYt)*Od!c$f-#;!=g*gz(&D}3g*@4v4V`6*ZREk>"
    "+_l{Q6nDhjTLlXW7&@US@kbX3H!<sJhJw#*a&a7<!FIWI#Nf!A09ch*-mE_%tL*~4>{Ylg=EFhQ#)UEWDXigtT$iSo*mVB"
    "O2|)E-uVxZw&%BtX1ttMA#O`(<-1U3b<BMn_O`}Gzthd3}ovVjVD7rEYFmhGkA`aiY%?O6`{>8H{2^5t4o3NI{Vs$n)c^t"
    "IS0GOrqICsEDQTUC(nL&Y+d%*TCOeY11S!SNl<m=U8dCo$4`UrP#a!~EsG9S)_z#7j|$0w}Jm&>l!*DN1DCmCWJ{sFC`TF"
    ";$LQS@QP0Lp%-pjGDoV-<-NuzOS32Mwdx;H9zR)I7zZS<-+?n1iYiCQt=|b|5VIM6Z}RW$eO0Vhi`&#$C6Vk@wE6l|d|%="
    "a!VHC?U!Z(u42QW1=_|Z6I!8-C}wvYp8_}o?eg2p7xs64I@UN|6qutUEzNe%JGd8*!XU<)3VNjVeKEEQ1=V~)Wb?N8+`JJ"
    "0<T%n>O=v}1&}^DH(wlh-5h7KC(Q?-QV<9v&W&#cE6e$*DhelXg|!ZxaxEX5v9yJku;$IN5YkRpUdtz|4RwEkg7EidpDPU"
    "qVLHg||6V@TAZ1Lv*DLsiD)C}@Z~21l_IH$-*=K>s<D%=|RbBaNIByd;r7onv5KIjfs~P{lDt*!RGSQOE<_xh~e#>PUk3s"
    "+%Z}u;6_mNz=<7vNK0Iz9ZcQ^>;%=(tS+PlTB{g&J`Ck5QcgP36%RCI_Sn(_*S$;O3JisE0lUM9H8#h=C+Asx5hJ*-r9Nd"
    ";;;ior7~L23oX7db6DlqW3KQ9+NYt+L2d^vY;G_baY=fS&h?FhB}Q-K_sI{Gj0gSYZ7JUj4D#Av4Wmyjx89?s`?XTmxF5L"
    "1|kiDRMGwaA{loX#zI5>s5LQj<AUVkU}x+2=1)o4D+xi8KK3++T7UbnVG|9H%qAB(m%rW$**o7nhKV!&qav48F_VOLkt%b"
    "_QUZ1aEqs2H3gxh`kfffnEuvIpMW0qVLQ~|#=_Ajdu!8+#L`h`SoVpeC{}Ouz1?5m99y_4=$8B(JKQfbkcv_HKiU;AI5jB"
    "jHEd_?quRsQp{nIM>~nJ-p;(Y*p!k|wkXd!99va4(G%{M$61c<8&XX}{^z61aB#@Y`MK-TjpwCq~G0OrNegPn6Ui8o*r=u"
    "CJk4)6)P5iBJ32BUT+&Uf6$sgR9W*;Z6EwCa>L#==MGdKSNV;yQ|9A6X1=&hl<y`!vmV)~Jy%f*73FF9O9r5CDOn#fIpNO"
    "pYl(5G{$uRo(01}*Acu^4Z(9o-lTkI4vnqAlf4LV9g^V+XrIl7AlxrIs0;FMlT?Rb)CQE~&dFR_dd!Tb$sZR^;-vlyKndG"
    "j73<<G5&pWt)a&cgLbQMz43`qhqe9?!j?v$cg%?GT>Jm+?ZNw-NPer5-6svd6$nT<ao>fut5&Biw}#g_^Gr(-JAu>V#4vl"
    "Zfg&6cGU<85xrcLUI>&oeDEZ5YYzvZkOBal9Vz+21dX?!t`S6HB$Jjg-g@q*&%eXsWV3vn*Ks3M7BQS}t-|JQ9*8zwbI?3"
    "4On#_!Ry#Cb;qPVEhy>Z4yeqHz%ot|4W*piysW80K$mN?vTD7lAP;_81nO>zlg5<$6r>m|C-+XgExGQarT*)Dej6zzc*)0"
    "qD)ATP2E@bzMw?Yd?dNa)ByFc#B(+$^iH(Z!Zotb>0AyRwJiSKf*9}2l}?g05PXF}GS#|;xfO6}d-DV5AJ{rl6t*?{yEis"
    "ATAH$ysc^e~aJYt_jVBExX3g@r~Jk#)E2K}~p6qpXRL4Q3gBH(P&<Ou@ovzcb=CSsp+R_=I|d6e>x0f-3EPSo<r=X#^#|q"
    "%OUpz?NABVuO;4WQ(yMGGu-E&cX<7qnBQ5xR+BxM{|4*dO+Z<;WaK34`4SSCD@W_OlY*8_T?Q#teI%@0LXN(=2|YtGUBp`"
    "Fy_^jJjgIVV(lS>Fn2`sWZ_}+$myjH1~SkMs)4B*$TSUoOacD>*y5N&dpGFMtX7DSS`^>$&a;z{p20bD&%XHlV4AgY>C3i"
    "G;WIu&Bw6Oato2o3*p^jI*U##=YZA+C)eHf&qdoI)VuLo{suk~y3&}p!7g+@+6$GhtCL<*8-R!QpQ+sONzT>+Sq7z>8MXO"
    "QWOIUat7Ws-mFZ;Q*#{n)={h<bP*u^0KN9+4dC*ID786VLFw6;OmH`LtrEQY`KOA^GgLJdm2|3U|0b(mfTXD*~ioN0rc0i"
    "vh}CbTh244u0b9Kkoq2a7E_38p5h8aCs$1C`>{wolT!!+th(b2Y5Y*=lTW;0nfMUG$Hov{)Jx7x2yUY|EzjA^@u?gL&-s!"
    "(r!#=ExrnB$ganys5<b+V;MPb+s|J>D&fG#;)(`nDZ3Y0+4aBT6%~_s=eRF=Z=69-@Nf3$=!YESaki*RvLAP`Poi?qlNFa"
    "VBQ~(ao0dJ72iug*s09s4jSji5YGE2FX3Qp@s%vtbX<8jQb-gedMwUP8Z_c@jXKj-^K*H!m<E`16_coo9D}h~l(AXo+!+q"
    "#q!CR!M02(Zx5;Nz2RdMI!{lv-qai-pN2UA=%H5KQg7TFfg`d}&8P)e^B6JG3G;4gOb)};{o*@eSakD6wAQ?>sLsL~gB)t"
    "xcAcTg5*9N+jY}tBi=q~;fCF2sAobKBQ+9%^U<KJ}-R&?B2ihyWJ1Qh6o-iT7f#SMQXeU2G(wy-!;lon(~{i4nc8>%J{ku"
    "oLHXNHjU^VR;Fvdf4<1CFD9_DFAb^8|1@Q@x=>=>bsifT6sSlZ?OH`WoYSxC>yOh+6;~3#+!1#U>6YrOBUBUB|!W$x~2Rs"
    "5h?N9_xacV-qW_Pw<VEIR-b<k{i5b$5Ddf(l(@VLPEuMh`&*;`hQMv*@TQrau9tf)fD!dCOgPrVH6`L2XK0hnc-xn()_tC"
    "CGED|^!&r$8#js<Q%@SoK4}5oMANtV@0fAzkLg)`Jp?VP74_<OBR1sCoS}xFR}9$Fg#Yha*?-9t6Vw3nfCRCd5mB3ZeFqE"
    "H&evz@Gt+KGxBcU(31!c1-FTPoZpG|h7z(VZ2(x53_SS3yRqft8#5dTz5c|ExN5x7%Gv#BeW$`Ehv#WIBcw&laRJ?`lZ;s"
    "^;+tC64_`$A3h=JR#8@i<tR|rGNI|Ve7nYVutq};!<Yxwwa(*1h2;b*s{a#w(Xqh7VWHO@xRtl)CpJbL-Cm4t58P-i(@fC"
    "&!x7va!haK9u{3UzMI3UC;_?Q_n5sN)9}sj>Oyh#SQaBC`VrLGGP56z{T?do4ku%Nyp!3;&G3snC?UZf!oB{eyVPYV;H4T"
    "#KA6W8iV#gMxahU*<4hhq>Zd?;K3MKFJXrx(T1TC~jxgwcfuVuHQc}eAup|5<7y9^WNv6_C6X@J%tZgQqDO%SdU@um@7Fm"
    "${;-6;2klFW&%_!sSuN#sJ0+%r0l2}Rl>xL2PW)4l1FBONi5)2)b9oHxML%R1)ZaqZb^<piisJ!0188_JG2Y?BYK<2vOf{"
    "{CJ#QN?|cr^%zs?qhSdHP8g^<xGb4*TIiKAcy6vHKMys_%Znm2hE4t(92-9)BM<TEmqf%;%f)70s<^Tn7SYU<GpwZaPnio"
    "wpJBQff%B>s=t%e=^nL__u%nLmfD;0iA3mg@xWL6muMrcRVU9OMOXl#bpary*j=>MTqN9|TQfckgQx(zdA=M(4<o8KIEfh"
    "s#Emza!JaCA|<^`%%ZA7-x;y!Ta)z<s}>>kzl9pJY#a$eHqRY-uIMQHwF74Pb?uaNo5Bp$v_MG|tBqqGMPl>LRu_sKS{at"
    "j%It_RAyh8tj4FpkMp2oNcyaCX;y{Q18v;JxCfZ=Oy5+A4PSdvjtF`D~=w3)-yD8_?WD>Yc!lR3fx~s9Ig%ahpib&;--%W"
    "h~a0Q;Row~bsU}fK9_Q3n>cLh$k)igQkWMEQ&$_Bd5_n`1B?jY;1#3i>9*tOV2Kq@=@btb!QN3ni8;msOTX&#O8LuhCZ=m"
    "lB_~*=YxGaS4drw$7FEMM9V4TZnFxk^LR<myR0&CCKV0jwM>nraY1Fs)xqDWMAwA3L^}acnsL4S*L0O<b_h4&LnIUzvnh+"
    "%b=qu-(sR*p7pgOjjxq{Wejee7P?m@kK@zOAhzMZQX4tBY9WI?*8J`V}!?Y$O4tVPh>DTAV{88jNV-_j)bM>XLXX=<sY1^"
    "T|hL;7=8mmT}4b<meJAu0p@{MV1gGBf1$=<CC&m!$8uCJPNMk^}wqe&?wpC!m>t58|0&34J6R+!|@dnzkq-Fz4-gHDg&Dd"
    "R!&mi5dR%j;C&@Su?jf?CmKH=Y0QEyGOx^f?^v?4h?CnC<p=9X2f<nTG}y(Z@o9#Rz2QBvzSv*UiQ8f?QfePureZ=<r|uL"
    "(y-M#BKPO(l%hQFi}A7fCO;2~_x8r#WZJcH^}T=MVJJE+&h58rn<YQhCk<AHmLQ*Vp$V~Z%w1n9N5<{KO4icLu}=Q?F*ak"
    "Rw7T5yW#Ib~FWjc-Q!HY19V%T05<2Bsh%b>y<;GWFr&U;?qy<PzV53qA2TR#Bst7oLDTEI2scf!_XH80N+l=$M+oS5ic0*"
    "Gp#{msY+~rx_IwrKAeje!D{Vc(O7l6gqjkg*2?hMh>)TEL8BU9(r<=_&%?hpU|G<&8}Y%&x%`Awn%LSdXM>;jH+uETJ@0T"
    "C&%K5RdjceV>W`~IY@xl$*ah03cq>?vQF`(5q^no=?Q%mgBX^5k^;$z%>TNGsZkzPbAJuNRL@>+19*20GzW{`6yswT2;-M"
    ">4?T&YJh3lmN&Mm&I0G9T#)x@lu*&CZSO}CW#Y!?4%)vuD6~qW?oL+LXEAL*`Dznl9LkL?7*QfIL<kPBlkjrAPJ=Yx_k%Z"
    "Wm0hiz?WV<bMbJWwU4AD==!`pia->{m`~pfQ6F(vDDRTL?b-;vGS;c|-Sin+DLMDCWDK;ZcqBy*1gh`6F#WczaA-gDV^Hg"
    "{Wwg4%G@U3v_wLtZC4}f}iocMSp)04nMHD!&zmi(&GbClSs7ThXS>T5R%02D9Aw9E>*u7)qEFf3&Ub?kM)^bt}!@~W7W<V"
    "jop^EeNUEfOq6HDoPB(cTLkvNL_(I_yj&(HL2D+X(M8vV$<R8;h!tzF}@lRrf-w7XL1J#QH2Pe!867$o`9O?%iXt@H>Tv+"
    "jlSqM%p7Q{szOgL>o$KF>25>C4^nJ9*s?j9s<1`1(Vj1z_w{(q5g%gyBMVJ#19b+3s25X-3plA#688<rX`dRX;b9o~k|$8"
    "ObEhHL1Dg!wh?O>M)W7Ihv`yAT0N(Dv<oz-Zge<7JTH0uA%UEH>SE#S(+Lx5`{yNvRilTcsMc})h$yF@tIm+kq+CqqiY9q"
    "QvK8tO2x!5(v4dS9lCjZysA{1+$Mt%<}qMDmcB_tMb*MRb~JrRgj;8;zwO=WI@PoX#0Zy79W|^T6<ayAYZMiRKm)vAZm~a"
    "MT8Nn;)zIY6*|+>pK>fBM)i--p7Ca8Zw}&|duvY`w#yIfdiyepY)XgTMiGi*F>Ue3qqW~AjVEwHstJi}tl@n|EEcHK0I}R"
    "IqD2Ru4$GM^bJV!#}4|m`)NZ@0QU<T1!0#evapE-25*P&$g&R>hRy|ODc(7o~(G;G)cs^E>^C7oU^H;%2)_VpwzYWm9KL~"
    "zuIIjXI_eJRSCUX94vjDYk$_42@VNjfdwRFe}EbnQqS-sOU8lW*ZejcKQtiu-faO?-ZMtu_8pnHT{9lDG166lRs^2QkUNN"
    "zaN27svHt-LG+<a3<eqNP+CxNr!_m6g=cgrn>*7E>U|cSh;{`uyDs2HsmBf1?gUl)X0wAi%Yc~w?GPjzw}tU+>Slvlu*rf"
    "$CVgw5H^zaM;Jihme#S35los&$HBh_W_85|XqaDFAH_8PW$KnKr0`b+@p>h9ZorF&AN<!uTlOlrHHiM+5W2B5$?VJGZS_H"
    "5p(y7A^v!5p&(Ff^N4~{SHNY&KS;N@uQ=X4;W==(LYFT92YBaDNdCK$fw-286$*)a0W|nH19QF#4IjlMO^i)dt1K7kN#w3"
    "MJ7z+zu&my>xP!sN^2wrjp13P*L)8lbWftC9OjJ68JK;LmUK`DM}+^zN$!djXiTPiy)?59B`1Xb*ElwuDx!>oLZBqywn_0"
    "C``Amw0eKkh;eV*Yby-I|~~$-fz!s4M5nM28wmZRCg6Ty1Q7E{PEQl-XX873hc=2C$VJsi5O4k~|BK(0y=g!*V<&spv8l^"
    "gf$m$h~zA$N=6R5-lZZjazH-CooZYF^3SsfD-5*)`v`3UDuR_cW8rxM1rsnB6~I^27auWF%{1i)!szELdd+MIEE(|<weIR"
    "H&W$5<)|q!eosAjHu+Osc_o|47{Rq2?PS~x_dXf&Wm)g^Xt~I4p&EWIYQ0v%nysS&3IK|O-0K_Z&;-0!YKKO%cOqu-nlj5"
    "V>%3uEoX7++(Fd%iw7y)^lt_!)au@auH@8>G^IJ~S`t3YHo34V0M-G1a6t<i9@&qV`5VomAjOj522Jn}>19#^t09|05`B)"
    "ePhDNe=(1}4K`HVW`3=*9_#2C)k^G+ip+Wundd#?&i)nG*VaD0rRs24x`c+n~`I8pT?io{UX@`<G<$qBV#NKtHXU9Vx75-"
    "ed_;01yJxu>yEjBnO9|GZ#dS9BBTRG=C3@yph6jT}H*Jr=-_i&j5<mXhhs&Zi|nzHdT)7Rz^#I2;M4sSJNeL#ZqsuMB~Ul"
    "-9Mlb?s>szx=#;eyB0x8%j89hBThE$fpTRu4d61b`NAD?DS#G*vYnA2OPK~GJ8&xJACu=R(gI7p*c&ucEF@cGGYkP<d5}1"
    "x~0z}q3}eJp}h=cg`{6Q(&~A(wg0fe{23;02LWbbyz#2N&xJqWT6u^TU0n!pg=^AnBi=bh7uNf2`pnrgX$B&#NwbDq-Q4W"
    "O{@-Bi6o%lLn&ufJxuo=J#Gpyb(x=jQFs0JQ!C67?2z66r{CwOk#E~dz#u^2Tis-F`h{t4>et_+(>TT~ovYWHyv*Fxnac&"
    "F?Pm*15HM0}Sc=;*7Obu?AJ@_{kEX4(%ZOQ&;In89(7<~qWslfq>0G8wV1$5)hzvWsXSE37IL#ni$F~(jzD-EAoq9&*6NQ"
    "$Vy)VdHRM+jxFGXA}(pd_vXiNr|fSTE#YRSFi9^jB?`wOF%;&pXM}8yro}%#<lZ$gJ`zXQ4@WndPQ`F6JdRAw)8Dww}bvQ"
    "$YE-+awpLX&wQ~EK%Iy#WKnYUzBk~z{t1Nl*Na3Y9mkcus`o+HA|_qiTL&TcfxNpX_bAqiZc^Nt2FjK=Af%7uItn;Y(g}7"
    "of}y*QROdJZP!g`o|%K*J=LLcKkV=5$c1m9GhIqo@P^MC%0JAxi$;}<@B*T4H*2JRBqem*n+sNY(`xLkRl<wrtND0`YFD%"
    "*DHGBd9^$52FqQvki3}mCi=^Dp=3c7Wu0foKLLYe)R?`opJi)k3JCZ-g`OKPT%1z=?82%_bqjuN;z!qH>EZdOPR)qC=E&f"
    "5WrUsxq-Vmv8Sycb?u|$inRj*L0NwJdvN?zFWP$_0duJQWu8)hJ(4yG6~Z}OrUy>thNg$1zkW$N6%y2ZdIersN+))ib`(-"
    "zfkx`fFe-Pz;aBXyhC^Fha=on+G67jqFa1c6#xXd730>zfW7b}+8o3P|;@wTBDMEu3}C^@@_4tFiC7XyjK{C#Tq&5ylcAh"
    "5j)Yec0R7#pD%gDwyZGc?ML{EpO^i7LlA=lHIt1J@q}}2blQae`#)ygRUUn_cWf01Dcm`FFWL6sC4CXFc_Rof9kbeue(`?"
    "$%Y*|b76&Sth=#Y&ek;wXhej`P_&g~H1Y}9?2|6j`T|Bn;zgaGv%9DNJ{p0fmsnCe!R44iju%L4`DyJG-M2oFfawKD!{yF"
    "wOl6ronfgOfm`I9b0WcKi>v44HrvBUV7nAv?DfO@M;id2@d_<$qlFVvu(D8I=PWz7J%VrIyybjU@Y#5_<$odcI8TbBuz9$"
    "KDmkQZ`?}sAmmVaww7&Sf0;IHw(dQvKMrZ)P~mHqOp!XVNK&=VC1oaXO4&5)X+pz9r~5(L!>ilF^pSQ}MTb-l5{o);ATJK"
    "%K>>u^3pCobL08y=JerAUKcz&>tT%{Nt&#d=IV8#@"
)
